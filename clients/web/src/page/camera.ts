/** Where the picture comes from: a camera of this device, or a video file played as one. */
import type { MotionChannel, VideoSource } from "../client/whip-session";
import { facingOf, sendMotion, sensorsAllowed } from "./device-sensors";

export type CameraProblem = "insecure" | "denied" | "none" | "busy" | "unplayable" | "unsupported";

/** Why there is no picture; the page has a readable text for each. */
export class CameraError extends Error {
  override readonly name = "CameraError";

  constructor(readonly problem: CameraProblem) {
    super(problem);
  }
}

export interface Resolution {
  width: number;
  height: number;
}

export interface Picture extends VideoSource {
  /** Lets the camera or file go. */
  close(): void;
}

/** Whether this page may use cameras at all: browsers allow it on HTTPS and localhost only. */
export function cameraAllowed(): boolean {
  return window.isSecureContext && navigator.mediaDevices !== undefined;
}

/** The cameras, without names until the person has allowed one. */
export async function listCameras(): Promise<MediaDeviceInfo[]> {
  if (!cameraAllowed()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

/** Opens a camera ("" is the browser's choice) and shows it in `video`. */
export async function openCamera(
  deviceId: string,
  { width, height }: Resolution,
  video: HTMLVideoElement,
): Promise<Picture> {
  if (!cameraAllowed()) throw new CameraError("insecure");
  const allowed = sensorsAllowed(); // before anything is awaited: a click is over then
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        width: { ideal: width },
        height: { ideal: height },
        frameRate: { ideal: 30, max: 60 },
        ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }),
      },
    });
  } catch (error) {
    throw new CameraError(cameraProblem(error));
  }
  const track = stream.getVideoTracks()[0];
  if (!track) throw new CameraError("none");
  track.contentHint = "motion";
  video.srcObject = stream;
  await play(video);
  const close = () => {
    track.stop();
    video.srcObject = null;
  };
  const facing = (await allowed) ? facingOf(track) : null;
  const tell = facing && ((channel: MotionChannel) => sendMotion(channel, facing));
  return { stream, track, scaleDownBy: 1, sendMotion: tell, close };
}

/** Plays a video file in `video`, over and over, as if it were a camera. */
export async function openFile(
  file: File,
  { width, height }: Resolution,
  video: HTMLVideoElement,
): Promise<Picture> {
  const address = URL.createObjectURL(file);
  video.loop = true;
  video.src = address;
  const release = () => {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(address);
  };
  try {
    await loaded(video);
    await play(video);
    const stream = captureStream(video);
    const track = stream.getVideoTracks()[0] ?? (await firstTrack(stream));
    track.contentHint = "motion";
    const longer = Math.max(video.videoWidth, video.videoHeight);
    const shorter = Math.min(video.videoWidth, video.videoHeight);
    const scaleDownBy = Math.max(
      1,
      longer / Math.max(width, height),
      shorter / Math.min(width, height),
    );
    const close = () => {
      track.stop();
      release();
    };
    return { stream, track, scaleDownBy, close };
  } catch (error) {
    release();
    throw error;
  }
}

function cameraProblem(error: unknown): CameraProblem {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return "busy";
}

async function play(video: HTMLVideoElement): Promise<void> {
  try {
    await video.play();
  } catch (error) {
    // AbortError: another picture was chosen meanwhile, nothing is wrong with this one.
    if (!(error instanceof DOMException && error.name === "AbortError"))
      throw new CameraError("unplayable");
  }
}

function loaded(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      video.removeEventListener("loadeddata", settle);
      video.removeEventListener("error", settle);
      if (video.error || video.videoWidth === 0) reject(new CameraError("unplayable"));
      else resolve();
    };
    video.addEventListener("loadeddata", settle);
    video.addEventListener("error", settle);
  });
}

type Capturable = { captureStream?(): MediaStream; mozCaptureStream?(): MediaStream };

function captureStream(video: HTMLVideoElement & Capturable): MediaStream {
  const stream =
    video.captureStream?.() ?? video.mozCaptureStream?.() ?? captureThroughCanvas(video);
  for (const track of stream.getAudioTracks()) stream.removeTrack(track);
  return stream;
}

/** For Safari, whose videos can't be captured but whose canvases can. */
function captureThroughCanvas(video: HTMLVideoElement): MediaStream {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { alpha: false });
  if (!context || !("captureStream" in canvas) || !("requestVideoFrameCallback" in video))
    throw new CameraError("unsupported");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  const copy = () => {
    if (!video.src) return;
    context.drawImage(video, 0, 0);
    video.requestVideoFrameCallback(copy);
  };
  copy();
  return canvas.captureStream(30);
}

function firstTrack(stream: MediaStream): Promise<MediaStreamTrack> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new CameraError("unplayable")), 5000);
    stream.addEventListener("addtrack", ({ track }) => {
      if (track.kind !== "video") return;
      clearTimeout(timer);
      resolve(track);
    });
  });
}
