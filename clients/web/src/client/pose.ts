/** What one pose frame says, in the canonical frame: y up, metres, quaternions xyzw. */
export interface Pose {
  seq: number;
  frame: number;
  /** Unix microseconds on the server's clock. */
  captureUs: number;
  publishUs: number;
  skeletonRev: number;
  flags: PoseFlags;
  stagesMs: StageTimes;
  persons: PosePerson[];
}

export interface PoseFlags {
  warmup: boolean;
  generated: boolean;
  resampled: boolean;
}

export interface StageTimes {
  decode: number;
  keypoints: number;
  model: number;
}

export const PERSON_STATES = ["lost", "warmup", "tracked", "occluded", "generated"] as const;
export type PersonState = (typeof PERSON_STATES)[number];

export interface PosePerson {
  person: number;
  state: PersonState;
  /** 0..1 */
  confidence: number;
  /** (3) metres in the world. */
  pelvis: Float32Array;
  /** (3) metres per second. */
  velocity: Float32Array;
  /** (6) probability 0..1: left ankle, left foot, right ankle, right foot, left and right wrist. */
  contacts: Float32Array;
  /** (24 × 4) quaternions xyzw: the pelvis in the world, the others relative to their parents. */
  rotations: Float32Array;
  /** (33 × 3) x and y in 0..1 of the picture and visibility, when asked for with `landmarks=1`. */
  landmarks: Float32Array | null;
}

export const NUM_LANDMARKS = 33;

/** SMPL's joints in the order of `rotations`; the body's bones carry the same names. */
export const JOINT_NAMES = [
  "pelvis",
  "left_hip",
  "right_hip",
  "spine1",
  "left_knee",
  "right_knee",
  "spine2",
  "left_ankle",
  "right_ankle",
  "spine3",
  "left_foot",
  "right_foot",
  "neck",
  "left_collar",
  "right_collar",
  "head",
  "left_shoulder",
  "right_shoulder",
  "left_elbow",
  "right_elbow",
  "left_wrist",
  "right_wrist",
  "left_hand",
  "right_hand",
] as const;
export const NUM_JOINTS = JOINT_NAMES.length;
