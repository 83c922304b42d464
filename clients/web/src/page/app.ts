/** The page as a whole: what arrives from the server and the camera, and what is shown of it. */
import type { Control, StreamState } from "../client/control";
import type { Credentials } from "../client/credentials";
import { type ClientState, GenmoClient } from "../client/genmo-client";
import type { Pose } from "../client/pose";
import { type PublishState, Publisher } from "../client/publisher";
import { localUs } from "../client/server-clock";
import { Bodies } from "./bodies";
import { cameraAllowed, CameraError } from "./camera";
import { Capture } from "./capture";
import { element } from "./element";
import { LatencyLedger } from "./latency-ledger";
import { type Notice, noticeFor } from "./notice";
import { Overlay } from "./overlay";
import { type Measurements, Panel } from "./panel";
import { BodyScene, type SceneColours } from "./scene";
import { type Settings, validStream, viewerAddress } from "./settings";
import { type Situation, statusOf } from "./status";

const PANEL_MS = 250;
const ENDED_MS = 2000; // the server ended our stream; a publisher that took it over shows by then

export class App {
  private readonly root = element("app");
  private readonly panel = new Panel();
  private readonly overlay = new Overlay(element<HTMLCanvasElement>("overlay"));
  private readonly scene: BodyScene | null;
  private readonly bodies: Bodies;
  private readonly client: GenmoClient;
  private readonly publisher: Publisher;
  private readonly capture: Capture | null;
  private readonly situation: Situation;
  private readonly measured: Measurements = {
    ledger: new LatencyLedger(),
    stats: null,
    person: null,
    captureClock: null,
  };
  private poses = 0;
  private endedLater: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly settings: Settings,
    credentials: Credentials,
  ) {
    const { stream, view } = settings;
    this.situation = {
      viewing: view,
      connection: "connecting",
      publish: "idle",
      stream: null,
      person: null,
    };
    this.scene = this.makeScene();
    this.bodies = new Bodies(
      here("/v1/body.glb"),
      credentials.headers,
      (person, body) => this.scene?.dress(person, body),
      (error) => this.say(noticeFor(error)),
    );
    const poses = here(`/v1/streams/${encodeURIComponent(stream)}/poses`);
    if (!view) poses.searchParams.set("landmarks", "1");
    this.client = new GenmoClient(poses, credentials, {
      onPose: (pose) => this.take(pose),
      onControl: (message) => this.hear(message),
      onState: (state) => this.connectionChanged(state),
    });
    const whip = here(`/whip/${encodeURIComponent(stream)}`);
    whip.search = settings.publish.toString();
    this.publisher = new Publisher(
      whip,
      credentials,
      (state) => this.publishChanged(state),
      () => this.situation.stream === "live",
    );
    this.capture = view ? null : this.makeCapture();
    this.layOut();
  }

  start(): void {
    if (!validStream(this.settings.stream)) return this.refuseName();
    this.client.connect();
    window.addEventListener("online", () => this.client.hurry());
    setInterval(() => this.panel.show(this.measured), PANEL_MS);
    this.panel.show(this.measured);
    this.showStatus();
    void this.prepareBody();
    if (this.capture && !cameraAllowed()) this.say(noticeFor(new CameraError("insecure")));
  }

  private refuseName(): void {
    this.connectionChanged({ kind: "refused", reason: "" });
    element<HTMLButtonElement>("start").disabled = true;
    this.say({
      title: "This stream name can't be used",
      text: "Letters, digits, - and _ are allowed, at most 64. Change ?stream= in the address.",
    });
  }

  private makeScene(): BodyScene | null {
    try {
      const scene = new BodyScene(element<HTMLCanvasElement>("scene"), (pose) => this.drawn(pose));
      const restyle = () => scene.restyle(themeColours());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restyle);
      restyle();
      element("recentre").addEventListener("click", () => scene.recentre());
      return scene;
    } catch (error) {
      this.say({ title: "No 3D here", text: `The body needs WebGL 2. ${String(error)}` });
      return null;
    }
  }

  private makeCapture(): Capture {
    return new Capture(
      this.publisher,
      (error) => this.say(noticeFor(error)),
      () => this.say(null),
    );
  }

  private layOut(): void {
    const { stream, view } = this.settings;
    this.root.dataset["mode"] = view ? "view" : "publish";
    element("stream-name").textContent = stream;
    element("picture").hidden = view;
    element("controls").hidden = view;
    element<HTMLAnchorElement>("viewer").href = viewerAddress(new URL(location.href), stream).href;
    document.title = `${stream} – genmo-rt`;
  }

  /** Fetches the mean body early, so that the first pose shows at once. */
  private async prepareBody(): Promise<void> {
    try {
      const body = await this.bodies.mean();
      this.scene?.prepare(body);
      this.root.dataset["body"] = "ready";
    } catch (error) {
      this.root.dataset["body"] = "missing";
      this.say(noticeFor(error));
    }
  }

  private take(pose: Pose): void {
    if (this.scene) this.scene.show(pose);
    else this.drawn(pose);
  }

  private drawn(pose: Pose): void {
    this.overlay.draw(pose.persons);
    const offsetUs = this.client.clock.offsetUs;
    if (offsetUs !== null) this.measured.ledger.add(pose, localUs() + offsetUs);
    this.root.dataset["poses"] = String(++this.poses);
    const person = pose.persons[0]?.state ?? null;
    if (person !== this.situation.person) this.personChanged(person);
  }

  private personChanged(person: Situation["person"]): void {
    this.situation.person = person;
    this.measured.person = person;
    this.root.dataset["person"] = person ?? "none";
    this.showStatus();
  }

  private hear(message: Control): void {
    switch (message.type) {
      case "stream":
        this.streamChanged(message.state);
        this.measured.captureClock = message.captureClock;
        break;
      case "subject":
        this.bodies.follow(message);
        if (message.state === "leave") this.scene?.remove(message.person);
        break;
      case "stats":
        this.measured.stats = message;
        break;
      case "error":
        this.say({ title: "The server reports a problem", text: message.message });
        break;
    }
  }

  private streamChanged(stream: StreamState): void {
    const first = this.situation.stream === null;
    this.situation.stream = stream;
    this.root.dataset["streamState"] = stream;
    if (stream === "ended" || stream === "waiting") this.nobodyLeft();
    // After a reconnect nobody publishes: the server has forgotten our session.
    if (first && stream !== "live" && stream !== "stalled") this.publishAgain();
    else if (stream === "ended") this.endedLater = setTimeout(() => this.publishAgain(), ENDED_MS);
    if (stream !== "ended") clearTimeout(this.endedLater);
    this.showStatus();
  }

  private publishAgain(): void {
    if (this.situation.publish === "live") this.publisher.renew();
  }

  private nobodyLeft(): void {
    this.scene?.clear();
    this.bodies.forget();
    this.overlay.clear();
    this.measured.ledger.clear();
    this.personChanged(null);
  }

  private connectionChanged(state: ClientState): void {
    this.situation.connection = state.kind;
    this.root.dataset["connection"] = state.kind;
    if (state.kind === "retrying") {
      this.situation.stream = null;
      this.root.dataset["streamState"] = "none";
      this.measured.stats = null;
      this.nobodyLeft();
    }
    if (state.kind === "refused")
      this.say({ title: "This page can't read the server", text: state.reason });
    this.showStatus();
  }

  private publishChanged(state: PublishState): void {
    this.situation.publish = state.kind;
    this.root.dataset["publish"] = state.kind;
    if (state.kind === "live") this.say(null);
    if (state.kind === "retrying") this.say(noticeFor(state.problem));
    if (state.kind === "refused") {
      this.capture?.stop();
      this.say(noticeFor(state.problem));
    }
    this.showStatus();
  }

  private showStatus(): void {
    const { stream } = this.situation;
    this.scene?.showResting(stream !== "live" && stream !== "stalled");
    const { tone, text, hint } = statusOf(this.situation);
    element("status").dataset["tone"] = tone;
    element("status-text").textContent = text;
    element("hint").textContent = hint;
  }

  private say(notice: Notice | null): void {
    element("notice").hidden = notice === null;
    element("notice-title").textContent = notice?.title ?? "";
    element("notice-text").textContent = notice?.text ?? "";
  }
}

function here(path: string): URL {
  return new URL(path, location.href);
}

function themeColours(): SceneColours {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    grid: colour("--grid"),
    pale: colour("--pale"),
    bodies: ["--body-1", "--body-2", "--body-3", "--body-4"].map(colour),
  };
}
