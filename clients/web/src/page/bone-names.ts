/** What SMPL's joints are called in avatars: VRM and Unity, Mixamo, Unreal's Manny, SMPL itself. */
import type { VRMHumanBoneName } from "@pixiv/three-vrm";
import { JOINT_NAMES } from "../client/pose";

export const CONVENTIONS = ["smpl", "vrm", "mixamo", "manny"] as const;
export type Convention = (typeof CONVENTIONS)[number];

type Names = Record<Exclude<Convention, "smpl">, string>;

const MIDDLE: Record<string, Names> = {
  pelvis: { vrm: "hips", mixamo: "Hips", manny: "pelvis" },
  spine1: { vrm: "spine", mixamo: "Spine", manny: "spine_01" }, // spine_02 goes along with it
  spine2: { vrm: "chest", mixamo: "Spine1", manny: "spine_03" },
  spine3: { vrm: "upperChest", mixamo: "Spine2", manny: "spine_05" },
  neck: { vrm: "neck", mixamo: "Neck", manny: "neck_01" },
  head: { vrm: "head", mixamo: "Head", manny: "head" },
};
const SIDES: Record<string, Names> = {
  hip: { vrm: "UpperLeg", mixamo: "UpLeg", manny: "thigh" },
  knee: { vrm: "LowerLeg", mixamo: "Leg", manny: "calf" },
  ankle: { vrm: "Foot", mixamo: "Foot", manny: "foot" },
  foot: { vrm: "Toes", mixamo: "ToeBase", manny: "ball" },
  collar: { vrm: "Shoulder", mixamo: "Shoulder", manny: "clavicle" },
  shoulder: { vrm: "UpperArm", mixamo: "Arm", manny: "upperarm" },
  elbow: { vrm: "LowerArm", mixamo: "ForeArm", manny: "lowerarm" },
  wrist: { vrm: "Hand", mixamo: "Hand", manny: "hand" },
};

/** A joint's name elsewhere; null for SMPL's hands, which others don't have. */
export function boneName(joint: number, convention: Convention): string | null {
  const smpl = JOINT_NAMES[joint] ?? "";
  if (convention === "smpl") return smpl;
  const middle = MIDDLE[smpl];
  if (middle) return middle[convention];
  const [side = "", part = ""] = smpl.split("_");
  const name = SIDES[part]?.[convention];
  if (name === undefined) return null;
  if (convention === "vrm") return side + name;
  if (convention === "manny") return `${name}_${side.charAt(0)}`;
  return side.charAt(0).toUpperCase() + side.slice(1) + name;
}

export function vrmBone(joint: number): VRMHumanBoneName | null {
  return boneName(joint, "vrm") as VRMHumanBoneName | null;
}

/** A node's name without what tools put before it, in lower case; `L_Hip` is `left_hip`. */
export function plainName(name: string): string {
  const own = name.split(/[:|]/).at(-1) ?? "";
  return own
    .toLowerCase()
    .replace(/^mixamorig\d*_?/, "")
    .replace(/^l_/, "left_")
    .replace(/^r_/, "right_");
}
