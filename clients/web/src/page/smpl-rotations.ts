/** SMPL's rotations as others need them: in the world, and for skeletons with fewer joints. */
import { Quaternion } from "three";
import { NUM_JOINTS } from "../client/pose";

export const PARENTS: readonly number[] = [
  -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
];
const SPINE = [3, 6, 9];

/** World rotation of every joint; the array is the same at every call. */
export class WorldRotations {
  readonly of: readonly Quaternion[] = Array.from({ length: NUM_JOINTS }, () => new Quaternion());

  /** @param rotations (24 × 4) xyzw, as on the wire. */
  update(rotations: Float32Array): void {
    this.of.forEach((world, joint) => {
      world.fromArray(rotations, 4 * joint);
      const parent = this.of[PARENTS[joint] ?? -1];
      if (parent) world.premultiply(parent);
    });
  }
}

/**
 * Whose world rotation each joint's bone takes.
 *
 * @param has (24) whether there is a bone.
 * @returns (24) the joint itself; but the highest of a spine with fewer bones takes the chest's, on
 *   which neck and collars are set.
 */
export function leaders(has: readonly boolean[]): number[] {
  const lead = PARENTS.map((_, joint) => joint);
  const highest = SPINE.filter((joint) => has[joint]).at(-1);
  if (highest !== undefined) lead[highest] = 9;
  return lead;
}

/** The nearest joint above that has a bone; -1 above the first. */
export function ancestor(joint: number, has: readonly boolean[]): number {
  let parent = PARENTS[joint] ?? -1;
  while (parent >= 0 && !has[parent]) parent = PARENTS[parent] ?? -1;
  return parent;
}
