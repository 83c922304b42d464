/** MediaPipe's pose landmarker as one call: a square crop in, landmarks in crop edges out. */
import { PoseLandmarker } from "@mediapipe/tasks-vision";
import type { Landmarks } from "./body";
import { CROP_SIZE } from "./crops";

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

export class CropLandmarker {
  private calls = 0;
  private smoothed: number[] | null = null;

  private constructor(private readonly task: PoseLandmarker) {}

  static async open({ loader, binary, model, delegate }: Parts): Promise<CropLandmarker> {
    hushNativeLog();
    const task = await PoseLandmarker.createFromOptions(
      { wasmLoaderPath: loader, wasmBinaryPath: binary },
      { baseOptions: { modelAssetPath: model, delegate }, runningMode: "VIDEO" },
    );
    return new CropLandmarker(task);
  }

  /** Follows the person of the last look if there was one, else runs the detector. */
  look(crop: ImageData): Landmarks | null {
    const { landmarks, worldLandmarks } = this.detect(crop);
    const seen = landmarks[0];
    const world = worldLandmarks[0];
    if (!seen || !world) return null;
    return {
      pixels: seen.map(({ x, y }) => [x, y] as const),
      visibility: this.unsmoothed(seen.map((point) => point.visibility)),
      world: world.map(({ x, y, z }) => [x, y, z] as const),
    };
  }

  /** Lets go of the person being followed. */
  forget(): void {
    this.detect(new ImageData(CROP_SIZE, CROP_SIZE));
  }

  private detect(crop: ImageData) {
    this.calls++;
    return this.task.detectForVideo(crop, this.calls * STEP_MS);
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
