/** A track's pictures with their capture times on this machine's clock. */
import { localUs } from "../client/server-clock";
import type { Picture } from "./crop-cutter";

export type TakePicture = (picture: Picture, tUs: number) => void;

interface Processor {
  readonly readable: ReadableStream<VideoFrame>;
}
type ProcessorClass = new (init: { track: MediaStreamTrack; maxBufferSize: number }) => Processor;

/**
 * Hands every picture of the track to `take` until the returned function is called.
 *
 * Where the browser has no MediaStreamTrackProcessor the pictures come from a video element; they
 * stop while the page is hidden.
 */
export function watchTrack(track: MediaStreamTrack, take: TakePicture): () => void {
  const known = (globalThis as { MediaStreamTrackProcessor?: ProcessorClass })
    .MediaStreamTrackProcessor;
  return known ? fromTrack(known, track, take) : fromElement(track, take);
}

function fromTrack(Processor: ProcessorClass, track: MediaStreamTrack, take: TakePicture) {
  const copy = track.clone(); // what is read here isn't missing where it is shown
  const reader = new Processor({ track: copy, maxBufferSize: 1 }).readable.getReader();
  let stopped = false;
  let offsetUs = Number.POSITIVE_INFINITY; // the quickest frame so far counts as no time
  const read = async () => {
    for (;;) {
      const { value: frame } = await reader.read();
      if (!frame) return;
      offsetUs = Math.min(offsetUs, localUs() - frame.timestamp);
      if (stopped) frame.close();
      else take(frame, Math.round(frame.timestamp + offsetUs));
    }
  };
  void read().catch(() => undefined); // the track has ended: who shows it says so
  return () => {
    stopped = true; // what is still on its way is read and closed
    copy.stop();
  };
}

function fromElement(track: MediaStreamTrack, take: TakePicture) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  void video.play().catch(() => undefined);
  let stopped = false;
  const next = (now: number, { captureTime }: VideoFrameCallbackMetadata) => {
    if (stopped) return;
    const tUs = Math.round((performance.timeOrigin + (captureTime ?? now)) * 1000);
    createImageBitmap(video)
      .then((picture) => (stopped ? picture.close() : take(picture, tUs)))
      .catch(() => undefined); // no picture yet
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
  return () => {
    stopped = true;
    video.srcObject = null;
  };
}
