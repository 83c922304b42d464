/** The 2D stage's own thread: pictures in, landmarks out; a picture goes no further than here. */
import { CropCutter, type Picture, sizeOf } from "./crop-cutter";
import type { Parts } from "./landmarker";
import { People } from "./people";
import { ThreadedLandmarker } from "./threaded-landmarker";
import type { Sighting } from "./watcher";

/** First what to open, and how many people to follow at most; then pictures. */
export type ToWorker = { parts: Parts; limit: number } | { picture: Picture; tUs: number };
export type FromWorker =
  { kind: "ready" } | { kind: "failed"; reason: string } | { kind: "seen"; sighting: Sighting };

let people: People<Picture> | null = null;

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  const done = "parts" in data ? open(data.parts, data.limit) : see(data.picture, data.tUs);
  done.then(tell, (error: unknown) => tell({ kind: "failed", reason: String(error) }));
});

async function open(parts: Parts, limit: number): Promise<FromWorker> {
  const cutter = new CropCutter();
  const make = () => ThreadedLandmarker.open(parts, cutter);
  people = new People(await make(), make, limit);
  return { kind: "ready" };
}

async function see(picture: Picture, tUs: number): Promise<FromWorker> {
  const started = performance.now();
  try {
    const [width, height] = sizeOf(picture);
    const seen = (await people?.see({ picture, width, height, tUs })) ?? [];
    const tookMs = performance.now() - started;
    return { kind: "seen", sighting: { tUs, width, height, people: seen, tookMs } };
  } finally {
    picture.close();
  }
}

function tell(message: FromWorker): void {
  postMessage(message);
}
