/** The 2D stage's own thread: pictures in, landmarks out; a picture goes no further than here. */
import { Follower } from "./follower";
import { type Parts, type Picture, PictureLandmarker, sizeOf } from "./landmarker";
import type { Sighting } from "./watcher";

export type ToWorker = { parts: Parts } | { picture: Picture; tUs: number };
export type FromWorker =
  { kind: "ready" } | { kind: "failed"; reason: string } | { kind: "seen"; sighting: Sighting };

let follower: Follower<Picture> | null = null;

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  if ("parts" in data) void open(data.parts);
  else see(data.picture, data.tUs);
});

async function open(parts: Parts): Promise<void> {
  try {
    follower = new Follower(await PictureLandmarker.open(parts));
    tell({ kind: "ready" });
  } catch (error) {
    tell({ kind: "failed", reason: String(error) });
  }
}

function see(picture: Picture, tUs: number): void {
  const started = performance.now();
  try {
    const [width, height] = sizeOf(picture);
    const person = follower?.see(picture, width, height, tUs) ?? null;
    const tookMs = performance.now() - started;
    tell({ kind: "seen", sighting: { tUs, width, height, person, tookMs } });
  } catch (error) {
    tell({ kind: "failed", reason: String(error) });
  } finally {
    picture.close();
  }
}

function tell(message: FromWorker): void {
  postMessage(message);
}
