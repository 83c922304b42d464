/** The device's motion sensors beside its camera: permission, samples, and their data channel. */
import { CameraMotion, encodeSample, type Facing } from "../client/device-motion";
import type { MotionChannel } from "../client/whip-session";

const FULL_BYTES = 8 << 10; // what waits in a channel; further samples are left out

type Asking = { requestPermission?(): Promise<"granted" | "denied"> };

/**
 * Asks for the sensors where a browser wants to be asked (iOS). To be called in a click.
 *
 * @returns whether they may be read; whether there are any shows by their samples.
 */
export async function sensorsAllowed(): Promise<boolean> {
  if (!("DeviceOrientationEvent" in window)) return false;
  const asking = DeviceOrientationEvent as unknown as Asking;
  try {
    return (await asking.requestPermission?.()) !== "denied";
  } catch {
    return false; // not in a click, or not a secure page: as if denied
  }
}

/** Which side of the device a camera is on; null for one that isn't the device's own. */
export function facingOf(track: MediaStreamTrack): Facing | null {
  const { facingMode } = track.getSettings();
  return facingMode === "user" || facingMode === "environment" ? facingMode : null;
}

/** Sends the motion of a camera as long as the channel is open. */
export function sendMotion(channel: MotionChannel, facing: Facing): void {
  const motion = new CameraMotion(facing);
  const tell = ({ alpha, beta, gamma, timeStamp }: DeviceOrientationEvent) => {
    if (alpha === null || beta === null || gamma === null) return; // there is no sensor
    const open = channel.readyState === "open" || channel.readyState === WebSocket.OPEN;
    if (!open || channel.bufferedAmount > FULL_BYTES) return;
    const tUs = Math.round(1000 * (performance.timeOrigin + timeStamp));
    const sample = motion.step({ alpha, beta, gamma }, screenAngle(), tUs);
    if (sample) channel.send(encodeSample(sample));
  };
  window.addEventListener("deviceorientation", tell);
  channel.addEventListener("close", () => window.removeEventListener("deviceorientation", tell));
}

function screenAngle(): number {
  return window.screen.orientation?.angle ?? 0;
}
