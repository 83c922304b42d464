/** The switch "keep my video on this device", and what publishes when it is on. */
import type { OpenSession } from "../client/publisher";
import { type VideoSource, WhipSession } from "../client/whip-session";
import { KeypointSession } from "./keypoint-session";
import { type Sighting, Watcher } from "./watcher";

const SPAN_MS = 2000; // the frame rate is told over this

interface Look {
  atMs: number;
  tookMs: number;
  people: number;
}

export class PrivateVideo {
  private watcher: Promise<Watcher> | null = null;
  private source: VideoSource | null = null;
  private looks: Look[] = [];
  private loading = false;

  /**
   * @param box the switch.
   * @param figure where the frame rate of this device's 2D stage is shown.
   * @param endpoint the stream's `/keypoints` address.
   * @param model the address of MediaPipe's model bundle.
   * @param restart publishes the source anew, the way that is chosen now.
   */
  constructor(
    private readonly box: HTMLInputElement,
    private readonly figure: HTMLElement,
    private readonly endpoint: URL,
    private readonly model: URL,
    restart: (source: VideoSource) => void,
  ) {
    box.addEventListener("change", () => {
      this.show();
      if (this.source) restart(this.source);
    });
    setInterval(() => this.show(), SPAN_MS / 4);
  }

  /** How long this device looks at a picture, ms, median; 0 while the server does. */
  get lookMs(): number {
    const times = this.looks.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
    return times[times.length >> 1] ?? 0;
  }

  /** Opens what publishes: keypoints when the switch is on, video when it is off. */
  readonly open: OpenSession = async (whip, source, credentials, signal) => {
    this.source = source;
    this.looks = [];
    if (!this.box.checked) {
      this.close();
      return WhipSession.open(whip, source, credentials, signal);
    }
    const watcher = await this.load();
    signal.throwIfAborted();
    const place = new URL(this.endpoint);
    place.search = whip.search;
    const looked = ({ tookMs, people }: Sighting) =>
      this.looks.push({ atMs: performance.now(), tookMs, people: people.length });
    return KeypointSession.open(place, source, credentials, watcher, looked, signal);
  };

  /** The watcher, which is loaded once, and anew where it broke. */
  private async load(): Promise<Watcher> {
    if ((await this.watcher)?.broken) this.close();
    if (this.watcher) return this.watcher;
    this.watcher = Watcher.open(this.model);
    this.loading = true;
    this.show();
    try {
      return await this.watcher;
    } catch (error) {
      this.watcher = null; // the next start tries again
      throw error;
    } finally {
      this.loading = false;
      this.show();
    }
  }

  /** Gives its threads and their memory back. */
  private close(): void {
    void this.watcher?.then(
      (watcher) => watcher.close(),
      () => undefined,
    );
    this.watcher = null;
  }

  private show(): void {
    const since = performance.now() - SPAN_MS;
    this.looks = this.looks.filter(({ atMs }) => atMs >= since);
    const fps = (this.looks.length * 1000) / SPAN_MS;
    const people = this.looks.at(-1)?.people ?? 0;
    const several = people > 1 ? `, ${people} people` : "";
    const now = this.loading ? "loading the pose model" : "";
    const told = this.box.checked && fps > 0 ? `${fps.toFixed(0)} fps here${several}` : now;
    if (this.figure.textContent !== told) this.figure.textContent = told;
    this.figure.dataset["fps"] = this.box.checked ? fps.toFixed(1) : "0";
  }
}
