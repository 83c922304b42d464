/** How the view goes along with a person: calmly, but never so slowly that they leave it. */
import { Vector3 } from "three";

/** Height of the point looked at for a person who stands: a little under their middle. */
export const LOOK_AT_M = 0.88;
const PELVIS_M = 0.95; // of one who stands
const FREE_M = 0.2; // a person may walk this far before the view follows
const FREE_HEIGHT_M = 0.25; // and crouch or hop this far
const JUMP_M = 2; // farther than this the view goes at once
const RATE = 5; // per second, of the way beyond

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
