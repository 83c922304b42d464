/** The page as a whole: what arrives from the server and the camera, and what is shown of it. */
import type { StreamMessage, StreamState, Subject } from "../client/control";
import type { Credentials } from "../client/credentials";
import { GenmoApi } from "../client/api";
import type { ConnectionState } from "../client/connection";
import { GenmoClient } from "../client/genmo-client";
import type { Pose } from "../client/pose";
import { type PublishState, Publisher } from "../client/publisher";
import { PrivateVideo } from "../keypoints/private-video";
import { AvatarPicker } from "./avatar-picker";
import { cameraAllowed, CameraError } from "./camera";
import { Capture } from "./capture";
import { element } from "./element";
import { FieldOfView } from "./field-of-view";
import { type Figure, proportionsOf } from "./figure";
import { LatencyLedger } from "./latency-ledger";
import { askHeight } from "./height";
import { offerLookahead } from "./lookahead";
import { failure, type Notice, noticeFor } from "./notice";
import { Overlay } from "./overlay";
import { type Measurements, Panel } from "./panel";
import { People } from "./people";
import { Recorder } from "./recorder";
import { BodyScene, type Inspection, type SceneColours } from "./scene";
import { type Settings, validStream, viewerAddress } from "./settings";
import { SinksPanel } from "./sinks-panel";
import { type Situation, statusOf } from "./status";
import { type Role, TakePlayer } from "./take-player";
import { TakesPanel } from "./takes-panel";
import { Wardrobe } from "./wardrobe";

const PANEL_MS = 250;
const ENDED_MS = 2000; // the server ended our stream; a publisher that took it over shows by then

export class App {
  private readonly root = element("app");
  private readonly panel = new Panel();
  private readonly overlay = new Overlay(element<HTMLCanvasElement>("overlay"));
  private readonly scene: BodyScene | null;
  private readonly people = new People((person) => this.colourOf(person));
  private readonly wardrobe: Wardrobe;
  private readonly client: GenmoClient;
  private readonly privateVideo: PrivateVideo;
  private readonly publisher: Publisher;
  private readonly capture: Capture | null;
  private readonly recorder: Recorder;
  private readonly takes: TakesPanel;
  private readonly sinks: SinksPanel;
  private readonly player: TakePlayer;
  private readonly situation: Situation;
  private readonly measured: Measurements = {
    ledger: new LatencyLedger(),
    stats: null,
    person: null,
    persons: 0,
    captureClock: null,
    delay: null,
  };
  private poses = 0;
  private drawnSeq = -1;
  private smooth = false;
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
      seen: false,
    };
    this.scene = this.makeScene();
    this.wardrobe = new Wardrobe(
      here("/v1/body.glb"),
      credentials.headers,
      (person, figure) => this.dress(person, figure),
      (error) => this.say(noticeFor(error)),
    );
    this.client = this.makeClient();
    const whip = here(`/whip/${encodeURIComponent(stream)}`);
    whip.search = settings.publish.toString();
    this.privateVideo = this.makePrivate();
    this.publisher = new Publisher(
      whip,
      credentials,
      (state) => this.publishChanged(state),
      () => this.situation.stream === "live",
      this.privateVideo.open,
    );
    const restart = () => this.publisher.restart();
    this.capture = view ? null : this.makeCapture(whip, restart);
    offerLookahead(element<HTMLSelectElement>("lookahead"), whip, restart);
    askHeight(element<HTMLInputElement>("height"), whip, restart);
    const api = new GenmoApi(location.href, credentials);
    const fail = (what: string, error: unknown) => this.say(failure(what, error));
    this.recorder = new Recorder(api, stream, () => this.takes.refresh(), fail);
    this.player = new TakePlayer(
      api,
      (roles) => this.startPreview(roles),
      (roles) => this.endPreview(roles),
      (person) => this.colourOf(person),
    );
    this.takes = new TakesPanel(
      api,
      (takes) => this.recorder.follow(takes),
      (take, solves) =>
        void this.player
          .open(take, solves)
          .catch((error: unknown) => fail("The take can't be shown", error)),
      () => this.player.close(),
      fail,
    );
    this.sinks = new SinksPanel(api, stream, fail);
    new AvatarPicker((avatar) => this.wear(avatar), fail);
    this.layOut();
    this.makeToggles();
  }

  start(): void {
    if (!validStream(this.settings.stream)) return this.refuseName();
    this.client.connect();
    window.addEventListener("online", () => this.client.hurry());
    setInterval(() => this.panel.show(this.measured), PANEL_MS);
    this.panel.show(this.measured);
    this.showStatus();
    void this.prepareBody();
    void this.takes.refresh();
    void this.sinks.refresh();
    if (this.capture && !cameraAllowed()) this.say(noticeFor(new CameraError("insecure")));
  }

  /** Who is drawn, and where their joints stand. */
  inspect(): Inspection[] {
    return this.scene?.inspect() ?? [];
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

  private makeClient(): GenmoClient {
    const { stream, view, token } = this.settings;
    const poses = here(`/v1/streams/${encodeURIComponent(stream)}/poses`);
    const client = new GenmoClient(poses, { token, landmarks: !view });
    client.on("pose", (pose) => this.take(pose));
    client.on("state", (state) => this.connectionChanged(state));
    client.on("stream", (message) => this.streamTold(message));
    client.on("subject", (subject) => this.subjectTold(subject));
    client.on("stats", (stats) => {
      this.measured.stats = stats;
    });
    client.on("error", ({ message }) =>
      this.say({ title: "The server reports a problem", text: message }),
    );
    return client;
  }

  private makePrivate(): PrivateVideo {
    return new PrivateVideo(
      element<HTMLInputElement>("private"),
      element("private-fps"),
      here(`/v1/streams/${encodeURIComponent(this.settings.stream)}/keypoints`),
      here("/v1/models/pose_landmarker_full.task"),
      (source) => this.publisher.active && this.publisher.start(source),
    );
  }

  private makeToggles(): void {
    const trails = element<HTMLButtonElement>("trails");
    const contacts = element<HTMLButtonElement>("contacts");
    const on = (toggle: HTMLElement) => toggle.getAttribute("aria-pressed") === "true";
    for (const toggle of [trails, contacts])
      toggle.addEventListener("click", () => {
        toggle.setAttribute("aria-pressed", String(!on(toggle)));
        this.scene?.mark({ trails: on(trails), contacts: on(contacts) });
      });
    const smooth = element<HTMLInputElement>("smooth");
    smooth.checked = this.scene !== null && !this.scene.software;
    const apply = () => {
      this.smooth = smooth.checked;
      this.chooseSource();
    };
    smooth.addEventListener("change", apply);
    apply();
  }

  /** What the 3D view shows: a take, the live stream played out evenly, or each pose as it comes. */
  private chooseSource(): void {
    if (this.player.active) this.scene?.play(() => this.player.sample());
    else this.scene?.play(this.smooth ? () => this.client.sample() : null);
  }

  private makeCapture(whip: URL, restart: () => void): Capture {
    const angle = new FieldOfView(element<HTMLInputElement>("fov"), whip, restart);
    return new Capture(
      this.publisher,
      (camera) => angle.opened(camera),
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

  /** Fetches a body early, so that the first pose shows at once. */
  private async prepareBody(): Promise<void> {
    try {
      this.scene?.prepare(await this.wardrobe.anybody());
      this.root.dataset["body"] = "ready";
    } catch (error) {
      this.root.dataset["body"] = "missing";
      this.say(noticeFor(error));
    }
  }

  private dress(person: number, figure: Figure): void {
    if (!this.scene) return figure.dispose();
    this.scene.dress(person, figure);
    this.root.dataset["dressed"] = String(Number(this.root.dataset["dressed"] ?? 0) + 1);
  }

  /** Puts an avatar on everybody, and on whoever comes; null for their own bodies. */
  private async wear(avatar: ArrayBuffer | null): Promise<string> {
    const kind = await this.wardrobe.choose(avatar);
    this.say(null);
    await this.prepareBody();
    return kind;
  }

  private startPreview(roles: readonly Role[]): void {
    for (const { person, track } of roles) {
      this.scene?.measure(person, track.proportions);
      this.wardrobe.dress(person, track.shape);
    }
    this.root.dataset["preview"] = "on";
    this.chooseSource();
    this.scene?.lookAgain();
    this.showStatus();
  }

  private endPreview(roles: readonly Role[]): void {
    for (const { person } of roles) {
      this.wardrobe.forget(person);
      this.scene?.remove(person);
    }
    this.root.dataset["preview"] = "off";
    this.chooseSource();
    this.scene?.lookAgain();
    this.showStatus();
  }

  private take(pose: Pose): void {
    const { persons } = pose;
    this.measured.persons = persons.length;
    this.people.show(persons);
    if (this.player.active) this.overlay.draw(persons, (person) => this.colourOf(person));
    else if (!this.scene) this.drawn(pose);
    else if (!this.smooth) this.scene.show(pose);
  }

  private drawn(pose: Pose): void {
    if (this.player.active || pose.seq === this.drawnSeq) return;
    this.drawnSeq = pose.seq;
    this.overlay.draw(pose.persons, (person) => this.colourOf(person));
    const now = this.client.serverUs;
    if (now !== null) this.measured.ledger.add(pose, now, this.privateVideo.lookMs);
    this.root.dataset["poses"] = String(++this.poses);
    const person = pose.persons[0]?.state ?? null;
    if (person !== this.situation.person) this.personChanged(person);
  }

  private personChanged(person: Situation["person"]): void {
    this.situation.person = person;
    this.situation.seen ||= person !== null;
    this.measured.person = person;
    this.root.dataset["person"] = person ?? "none";
    this.showStatus();
  }

  private streamTold(message: StreamMessage): void {
    this.streamChanged(message.state);
    this.measured.captureClock = message.captureClock;
    this.measured.delay = message.delay;
  }

  private subjectTold({ person, state, shape, offsets }: Subject): void {
    if (state === "leave") {
      this.wardrobe.forget(person);
      this.scene?.remove(person);
      return;
    }
    this.scene?.measure(person, proportionsOf(offsets));
    this.wardrobe.dress(person, shape);
  }

  private colourOf(person: number): string {
    return this.scene?.colourOf(person) ?? "#888";
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
    const previewed = (person: number) => this.player.shows(person);
    this.scene?.clear(previewed);
    this.wardrobe.forgetAll(previewed);
    this.overlay.clear();
    this.people.show([]);
    this.measured.ledger.clear();
    this.measured.persons = 0;
    this.situation.seen = false;
    this.personChanged(null);
  }

  private connectionChanged(state: ConnectionState): void {
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
    const live = stream === "live" || stream === "stalled";
    this.scene?.showResting(!live && !this.player.active);
    this.recorder.allow(live);
    const { tone, text, hint } = statusOf(this.situation);
    element("status").dataset["tone"] = tone;
    element("status-text").textContent = text;
    element("hint").textContent = this.player.active ? "" : hint;
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
    ink: colour("--ink"),
    bodies: ["--body-1", "--body-2", "--body-3", "--body-4"].map(colour),
  };
}
