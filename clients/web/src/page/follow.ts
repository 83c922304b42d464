/** How the view goes along with a person: calmly, but never so slowly that they leave it. */
import { Vector3 } from "three";

/** Height of the point looked at for a person who stands: a little under their middle. */
export const LOOK_AT_M = 0.88;
const PELVIS_M = 0.95; // of one who stands
const FREE_M = 0.2; // a person may walk this far before the view follows
const FREE_HEIGHT_M = 0.25; // and crouch or hop this far
const JUMP_M = 2; // farther than this the view goes at once
const RATE = 5; // per second, of the way beyond
const REACH_M = 1.15; // from the pelvis to raised hands, and to below the feet
const ASIDE_M = 0.8; // from the pelvis to stretched hands
const TIGHT = 1.05; // everybody must fit but for so much, or the view steps back ...
const LOOSE = 0.8; // ... and comes nearer when this share of the distance would do
const NEARER_RATE = 0.5; // per second

/**
 * How far to move the point looked at.
 *
 * @param target where it is, metres.
 * @param pelvis the person's.
 * @param seconds since the last step.
 */
export function followStep(target: Vector3, pelvis: Vector3, seconds: number): Vector3 {
  const away = new Vector3(pelvis.x - target.x, 0, pelvis.z - target.z);
  const height = pelvis.y - PELVIS_M + LOOK_AT_M - target.y;
  const walked = away.length();
  const share = Math.max(walked, Math.abs(height)) > JUMP_M ? 1 : 1 - Math.exp(-RATE * seconds);
  away.setLength(share * Math.max(0, walked - FREE_M));
  away.y = share * Math.sign(height) * Math.max(0, Math.abs(height) - FREE_HEIGHT_M);
  return away;
}

/**
 * How far from the point looked at the camera must be so that everybody is in the picture.
 *
 * @param hips everybody's, metres.
 * @param toCamera from the target to the camera, any length.
 * @param tangent of half the vertical field of view.
 * @param aspect width over height.
 */
export function fitDistance(
  hips: readonly Vector3[],
  target: Vector3,
  toCamera: Vector3,
  tangent: number,
  aspect: number,
): number {
  const back = toCamera.clone().normalize();
  const right = new Vector3(0, 1, 0).cross(back).normalize();
  const up = new Vector3().crossVectors(back, right);
  const distances = hips.map((pelvis) => {
    const at = new Vector3(pelvis.x, pelvis.y - PELVIS_M + LOOK_AT_M, pelvis.z).sub(target);
    const high = Math.abs(at.dot(up)) + REACH_M;
    const wide = (Math.abs(at.dot(right)) + ASIDE_M) / aspect;
    return at.dot(back) + Math.max(high, wide) / tangent;
  });
  return Math.max(...distances);
}

/**
 * By what to multiply the camera's distance now: quickly away from whoever leaves the picture,
 * slowly back.
 *
 * @param distance of the camera, metres. @param needed see fitDistance; at least what one who
 * stands needs. @param seconds since the last step.
 */
export function zoomStep(distance: number, needed: number, seconds: number): number {
  const wanted = needed / distance;
  if (wanted > TIGHT) return wanted ** (1 - Math.exp(-RATE * seconds));
  if (wanted < LOOSE) return wanted ** (1 - Math.exp(-NEARER_RATE * seconds));
  return 1;
}
