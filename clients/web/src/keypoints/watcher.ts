/** The 2D stage in this browser: the newest picture to a worker, landmarks back. */
import loader from "@mediapipe/tasks-vision/vision_wasm_module_internal.js?url";
import binary from "@mediapipe/tasks-vision/vision_wasm_module_internal.wasm?url";
import { Problem } from "../client/problem";
import type { Landmarks } from "./body";
import type { Picture } from "./crop-cutter";
import type { Parts } from "./landmarker";
import type { FromWorker, ToWorker } from "./watcher-worker";

// SIMD instructions: 0.03 s a look on one core. Where WebGL is drawn in software, "GPU" takes 6 s
// (scripts/compare_keypoints.py); on a graphics chip it hasn't been tried yet.
const DELEGATE = "CPU";

// A look takes one core 0.03 s and more, so each person wants one: on two cores, page and server on
// them too, one person was seen 20 times a second, two 13 times, four 4 times.
const FEWEST = 2;
const MOST = 4; // as the server's, by default
const LIMIT = Math.min(MOST, Math.max(FEWEST, navigator.hardwareConcurrency));

/** What was seen in one picture. */
export interface Sighting {
  /** Capture time, Unix microseconds of this machine. */
  tUs: number;
  width: number;
  height: number;
  people: readonly Landmarks[];
  tookMs: number;
}

/** One worker with its landmarkers; one picture is looked at, the newest other one waits. */
export class Watcher {
  /** Called with everything that was seen. */
  onSeen: ((sighting: Sighting) => void) | null = null;
  /** Called when it can't go on. */
  onFailed: ((problem: Problem) => void) | null = null;
  /** Whether it can't go on. */
  broken = false;
  private looking = false;
  private closing = false;
  private waiting: { picture: Picture; tUs: number } | null = null;

  private constructor(private readonly worker: Worker) {
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.hear(data));
    worker.addEventListener("error", ({ message }) => this.fail(message));
  }

  /**
   * Loads MediaPipe and the model from this page's server.
   *
   * @throws Problem when they can't be loaded or don't run here.
   */
  static open(model: URL): Promise<Watcher> {
    const worker = new Worker(new URL("./watcher-worker.ts", import.meta.url), { type: "module" });
    const parts: Parts = {
      loader: absolute(loader),
      binary: absolute(binary),
      model: model.href,
      delegate: DELEGATE,
    };
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => {
        worker.terminate();
        reject(new Problem(501, plain(reason)));
      };
      const hear = ({ data }: MessageEvent<FromWorker>) => {
        worker.removeEventListener("message", hear);
        if (data.kind === "ready") resolve(new Watcher(worker));
        else fail(data.kind === "failed" ? data.reason : "no answer");
      };
      worker.addEventListener("message", hear);
      worker.addEventListener("error", (event) => fail(event.message));
      worker.postMessage({ parts, limit: LIMIT } satisfies ToWorker);
    });
  }

  /** Takes a picture, and the duty to close it; one that still waits is dropped. */
  look(picture: Picture, tUs: number): void {
    if (this.closing) return picture.close();
    this.waiting?.picture.close();
    this.waiting = { picture, tUs };
    this.next();
  }

  /** Gives its threads back, once the picture that is looked at is closed. */
  close(): void {
    this.closing = true;
    this.waiting?.picture.close();
    this.waiting = null;
    if (!this.looking || this.broken) this.worker.terminate();
  }

  private next(): void {
    if (this.looking || !this.waiting) return;
    const { picture, tUs } = this.waiting;
    this.waiting = null;
    this.looking = true;
    this.worker.postMessage({ picture, tUs } satisfies ToWorker, [picture]);
  }

  private hear(message: FromWorker): void {
    if (message.kind === "failed") this.fail(message.reason);
    if (message.kind !== "seen") return;
    this.looking = false;
    if (this.closing) return this.worker.terminate();
    this.next();
    this.onSeen?.(message.sighting);
  }

  private fail(reason: string): void {
    this.broken = true;
    this.onFailed?.(new Problem(501, plain(reason)));
  }
}

/** What went wrong, less the names of the errors that it went through. */
function plain(reason: string): string {
  return reason.replace(/^(\w*Error: )+/, "");
}

function absolute(path: string): string {
  return new URL(path, location.href).href;
}
