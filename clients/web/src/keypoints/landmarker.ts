/** MediaPipe's pose landmarker on windows of a picture: landmarks in the picture's pixels. */
import { PoseLandmarker } from "@mediapipe/tasks-vision";
import type { Landmarks } from "./body";
import { CROP_SIZE, type Window } from "./crops";
import type { Landmarker } from "./follower";

// MediaPipe's video mode follows the person from call to call, but also smooths, which lags. Its
// filter goes by the timestamps it is given: 100 s apart, it passes nearly all of every new value.
const STEP_MS = 100_000;
const VISIBILITY_SHARE = 0.1; // of a new visibility in what MediaPipe reports

/** Where MediaPipe's parts are on this server. */
export interface Parts {
  loader: string;
  binary: string;
  model: string;
  /** What the model runs on: the graphics chip, or SIMD instructions. */
  delegate: "GPU" | "CPU";
}

/** What a picture may come as. */
export type Picture = VideoFrame | ImageBitmap;

export class PictureLandmarker implements Landmarker<Picture> {
  private readonly crop = new OffscreenCanvas(CROP_SIZE, CROP_SIZE);
  private readonly context = this.crop.getContext("2d", {
    alpha: false,
    willReadFrequently: true,
  })!;
  private calls = 0;
  private smoothed: number[] | null = null;

  private constructor(private readonly task: PoseLandmarker) {}

  static async open({ loader, binary, model, delegate }: Parts): Promise<PictureLandmarker> {
    hushNativeLog();
    const task = await PoseLandmarker.createFromOptions(
      { wasmLoaderPath: loader, wasmBinaryPath: binary },
      { baseOptions: { modelAssetPath: model, delegate }, runningMode: "VIDEO" },
    );
    return new PictureLandmarker(task);
  }

  look(picture: Picture, window: Window): Landmarks | null {
    this.cut(picture, window);
    const { landmarks, worldLandmarks } = this.detect();
    const seen = landmarks[0];
    const world = worldLandmarks[0];
    if (!seen || !world) return null;
    const { x, y, side } = window;
    return {
      pixels: seen.map((point) => [x + point.x * side, y + point.y * side] as const),
      visibility: this.unsmoothed(seen.map((point) => point.visibility)),
      world: world.map((point) => [point.x, point.y, point.z] as const),
    };
  }

  forget(): void {
    this.blank();
    this.detect();
  }

  private detect() {
    this.calls++;
    return this.task.detectForVideo(this.crop, this.calls * STEP_MS);
  }

  /** Draws a window of the picture; black beyond the picture. */
  private cut(picture: Picture, { x, y, side }: Window): void {
    const [width, height] = sizeOf(picture);
    const zoom = CROP_SIZE / side;
    this.blank();
    const left = Math.max(x, 0);
    const top = Math.max(y, 0);
    const right = Math.min(x + side, width);
    const bottom = Math.min(y + side, height);
    if (right <= left || bottom <= top) return;
    this.context.imageSmoothingQuality = zoom < 0.5 ? "medium" : "low";
    this.context.drawImage(
      picture,
      left,
      top,
      right - left,
      bottom - top,
      (left - x) * zoom,
      (top - y) * zoom,
      (right - left) * zoom,
      (bottom - top) * zoom,
    );
  }

  private blank(): void {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, CROP_SIZE, CROP_SIZE);
  }

  /** The new visibilities: MediaPipe never forgets the old ones. */
  private unsmoothed(smoothed: number[]): number[] {
    const before = this.smoothed;
    this.smoothed = smoothed;
    if (!before) return smoothed;
    return smoothed.map((value, i) => {
      const raw = before[i]! + (value - before[i]!) / VISIBILITY_SHARE;
      return Math.min(1, Math.max(0, raw));
    });
  }
}

export function sizeOf(picture: Picture): [width: number, height: number] {
  if ("displayWidth" in picture) return [picture.displayWidth, picture.displayHeight];
  return [picture.width, picture.height];
}

const NATIVE_CHATTER = /^(INFO: |[IW]\d{4} |Graph (successfully|finished))/;

/** Leaves what MediaPipe's native log says without need out of the console; it has no switch. */
function hushNativeLog(): void {
  for (const level of ["log", "warn", "error"] as const) {
    const write = console[level].bind(console);
    console[level] = (...said: unknown[]) => {
      if (!NATIVE_CHATTER.test(String(said[0]))) write(...said);
    };
  }
}
