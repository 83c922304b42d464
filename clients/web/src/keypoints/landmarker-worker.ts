/** A thread of one landmarker: crops in, landmarks out. */
import type { Landmarks } from "./body";
import { CROP_SIZE } from "./crops";
import { CropLandmarker, type Parts } from "./landmarker";

export type ToLandmarker =
  | { parts: Parts }
  /** RGBA of a crop; afresh: whoever is followed is let go of first. */
  | { rgba: ArrayBuffer; afresh: boolean };
export type FromLandmarker =
  | { kind: "ready" }
  | { kind: "failed"; reason: string }
  | { kind: "seen"; landmarks: Landmarks | null };

let landmarker: CropLandmarker | null = null;

addEventListener("message", ({ data }: MessageEvent<ToLandmarker>) => {
  const done = "parts" in data ? open(data.parts) : see(data.rgba, data.afresh);
  done.then(tell, (error: unknown) => tell({ kind: "failed", reason: String(error) }));
});

async function open(parts: Parts): Promise<FromLandmarker> {
  landmarker = await CropLandmarker.open(parts);
  landmarker.forget(); // the first run takes longer: not while somebody moves
  return { kind: "ready" };
}

async function see(rgba: ArrayBuffer, afresh: boolean): Promise<FromLandmarker> {
  if (afresh) landmarker?.forget();
  const crop = new ImageData(new Uint8ClampedArray(rgba), CROP_SIZE, CROP_SIZE);
  return { kind: "seen", landmarks: landmarker?.look(crop) ?? null };
}

function tell(message: FromLandmarker): void {
  postMessage(message);
}
