/** A landmarker in a thread of its own: windows of pictures in, landmarks in the picture out. */
import type { Landmarks } from "./body";
import { CropCutter, type Picture } from "./crop-cutter";
import type { Point, Window } from "./crops";
import type { Landmarker } from "./follower";
import type { Parts } from "./landmarker";
import type { FromLandmarker, ToLandmarker } from "./landmarker-worker";

export class ThreadedLandmarker implements Landmarker<Picture> {
  private constructor(
    private readonly worker: Worker,
    private readonly cutter: CropCutter,
  ) {}

  /**
   * Starts the thread and loads MediaPipe and the model there.
   *
   * @param cutter may be shared: it is done with a picture before `look` returns its promise.
   * @throws Error when that does not work here.
   */
  static async open(parts: Parts, cutter: CropCutter): Promise<ThreadedLandmarker> {
    const worker = new Worker(new URL("./landmarker-worker.ts", import.meta.url), {
      type: "module",
    });
    const landmarker = new ThreadedLandmarker(worker, cutter);
    try {
      await landmarker.ask({ parts });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return landmarker;
  }

  async look(
    picture: Picture,
    window: Window,
    others: readonly (readonly Point[])[],
    afresh: boolean,
  ): Promise<Landmarks | null> {
    const rgba = this.cutter.cut(picture, window, others).buffer as ArrayBuffer;
    const answer = await this.ask({ rgba, afresh }, [rgba]);
    if (answer.kind !== "seen" || !answer.landmarks) return null;
    const { pixels, visibility, world } = answer.landmarks;
    const { x, y, side } = window;
    return { pixels: pixels.map(([u, v]) => [x + u * side, y + v * side]), visibility, world };
  }

  private ask(message: ToLandmarker, moved: Transferable[] = []): Promise<FromLandmarker> {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }: MessageEvent<FromLandmarker>) => {
        if (data.kind === "failed") reject(new Error(data.reason));
        else resolve(data);
      };
      this.worker.onerror = ({ message: reason }) => reject(new Error(reason));
      this.worker.postMessage(message, moved);
    });
  }
}
