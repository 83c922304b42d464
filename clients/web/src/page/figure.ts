/** What a person can look like: something that takes the stream's rotations. */
import type { Object3D } from "three";
import type { PosePerson } from "../client/pose";

/** How long a person's legs are, for avatars that have others. */
export interface Proportions {
  /** Hip to ankle along the leg, metres. */
  legM: number;
  /** Height of the pelvis above the soles in the T-pose, metres. */
  pelvisM: number;
}

export const MEAN_PROPORTIONS: Proportions = { legM: 0.781, pelvisM: 0.947 };

export interface Figure {
  readonly root: Object3D;
  /** (24) in the order of JOINT_NAMES; null where the figure has none. */
  readonly joints: readonly (Object3D | null)[];
  /** Takes a pose; `seconds` have passed since the one before. */
  pose(person: PosePerson, proportions: Proportions, seconds: number): void;
  /** From pale to a person's colour; a figure with colours of its own keeps them. */
  colour(css: string, pale: string, share: number): void;
  dispose(): void;
}

const SOLE_M = 0.027; // below the foot's joint, in the mean adult
const LEFT_LEG = { hip: 1, knee: 4, ankle: 7, foot: 10 };

/** @param offsets (24) [x, y, z] from the parent joint at rest. */
export function proportionsOf(offsets: readonly (readonly number[])[]): Proportions {
  const length = (joint: number) => Math.hypot(...(offsets[joint] ?? [Number.NaN]));
  const legM = length(LEFT_LEG.knee) + length(LEFT_LEG.ankle);
  const down = [LEFT_LEG.hip, LEFT_LEG.knee, LEFT_LEG.ankle, LEFT_LEG.foot];
  const pelvisM =
    SOLE_M - down.reduce((sum, joint) => sum + (offsets[joint]?.[1] ?? Number.NaN), 0);
  return legM > 0 && pelvisM > 0 ? { legM, pelvisM } : MEAN_PROPORTIONS;
}
