/**
 * An avatar with any skeleton whose bones are named as Mixamo, Manny, Unity or SMPL name them.
 *
 * Bones may lie in any way at rest, and arms may hang (Manny's do): the rest pose is first bent into
 * SMPL's T-pose. Then a bone's rotation in the world is SMPL's, times the one it has in that T-pose.
 */
import { Box3, Group, Mesh, type Object3D, Quaternion, Vector3 } from "three";
import { JOINT_NAMES, type PosePerson } from "../client/pose";
import { boneName, type Convention, CONVENTIONS, plainName } from "./bone-names";
import type { Figure, Proportions } from "./figure";
import { leaders, WorldRotations } from "./smpl-rotations";

const NEEDED = [
  "pelvis",
  "left_hip",
  "right_hip",
  "left_knee",
  "right_knee",
  "left_shoulder",
  "right_shoulder",
  "left_elbow",
  "right_elbow",
] as const;

/** Where limbs point in SMPL's T-pose: joint, the next one along the limb, and the direction. */
const LIMBS: readonly (readonly [number, number, Vector3])[] = [
  [16, 18, new Vector3(0.255, -0.013, -0.024)],
  [18, 20, new Vector3(0.253, 0.008, -0.003)],
  [17, 19, new Vector3(-0.255, -0.013, -0.024)],
  [19, 21, new Vector3(-0.253, 0.008, -0.003)],
  [1, 4, new Vector3(0.036, -0.379, -0.006)],
  [4, 7, new Vector3(-0.015, -0.398, -0.043)],
  [2, 5, new Vector3(-0.036, -0.379, -0.006)],
  [5, 8, new Vector3(0.015, -0.398, -0.043)],
];
const ANKLES = [7, 8];

export class GlbPuppet implements Figure {
  readonly root = new Group();
  readonly joints: readonly (Object3D | null)[];
  readonly convention: Convention;
  private readonly lead: readonly number[];
  private readonly rest: readonly (Quaternion | null)[];
  private readonly world = new WorldRotations();
  private readonly restHipsM: number;
  private readonly legM: number;
  private readonly turn = new Quaternion();
  private readonly above = new Quaternion();
  private readonly place = new Vector3();

  /** @throws Error when bones are missing, naming them. */
  constructor(model: Object3D) {
    [this.convention, this.joints] = findBones(model);
    this.lead = leaders(this.joints.map((bone) => bone !== null));
    this.root.add(model);
    this.face();
    this.restHipsM = this.at(0).y - this.groundOf(model);
    this.legM = this.at(1).distanceTo(this.at(4)) + this.at(4).distanceTo(this.at(7));
    this.bendIntoT();
    this.rest = this.joints.map((bone) => bone && bone.getWorldQuaternion(new Quaternion()));
    model.traverse((node) => {
      if (node instanceof Mesh) node.frustumCulled = false; // bones carry it far from its bounds
    });
  }

  pose({ rotations, pelvis }: PosePerson, { legM, pelvisM }: Proportions): void {
    this.world.update(rotations);
    const scale = this.legM / legM;
    const [x = 0, y = 0, z = 0] = pelvis;
    this.place.set(scale * x, this.restHipsM + scale * (y - pelvisM), scale * z);
    const hips = this.joints[0];
    hips?.position.copy(hips.parent?.worldToLocal(this.place) ?? this.place);
    this.joints.forEach((bone, joint) => {
      const rest = this.rest[joint];
      if (!bone || !rest) return;
      this.turn.multiplyQuaternions(this.world.of[this.lead[joint] ?? joint]!, rest);
      this.setWorld(bone, this.turn);
    });
  }

  /** It has colours of its own. */
  colour(): void {}

  dispose(): void {
    this.root.traverse((node) => {
      if (!(node instanceof Mesh)) return;
      node.geometry.dispose();
      for (const material of [node.material].flat()) material.dispose();
    });
  }

  /** Turns the model so that its left is at +x, and with it its face at +z. */
  private face(): void {
    const left = this.at(1).sub(this.at(2));
    this.root.rotation.y = Math.atan2(left.z, left.x);
    this.root.updateMatrixWorld(true);
  }

  private groundOf(model: Object3D): number {
    const box = new Box3().setFromObject(model, true);
    if (!box.isEmpty()) return box.min.y;
    return Math.min(...this.joints.map((bone, joint) => (bone ? this.at(joint).y : Infinity)));
  }

  private bendIntoT(): void {
    const soles = ANKLES.map((joint) => this.joints[joint]?.getWorldQuaternion(new Quaternion()));
    for (const [joint, next, direction] of LIMBS) {
      const bone = this.joints[joint];
      if (!bone || !this.joints[next]) continue;
      const points = this.at(next).sub(this.at(joint)).normalize();
      const bend = new Quaternion().setFromUnitVectors(points, direction.clone().normalize());
      this.setWorld(bone, bend.multiply(bone.getWorldQuaternion(new Quaternion())));
    }
    ANKLES.forEach((joint, i) => {
      const bone = this.joints[joint];
      const sole = soles[i];
      if (bone && sole) this.setWorld(bone, sole); // stays flat on the floor
    });
  }

  private setWorld(bone: Object3D, rotation: Quaternion): void {
    bone.parent?.getWorldQuaternion(this.above); // brings the matrices above up to date, too
    bone.quaternion.copy(this.above.conjugate().multiply(rotation));
    bone.updateMatrixWorld(true);
  }

  private at(joint: number): Vector3 {
    return this.joints[joint]?.getWorldPosition(new Vector3()) ?? new Vector3();
  }
}

/** The naming that most bones follow, and the (24) bones. */
function findBones(model: Object3D): [Convention, (Object3D | null)[]] {
  const nodes = new Map<string, Object3D>();
  model.traverse((node) => {
    const name = plainName(node.name);
    if (!nodes.has(name) && !(node instanceof Mesh)) nodes.set(name, node);
  });
  const named = (name: string | null) =>
    name === null ? null : (nodes.get(name.toLowerCase()) ?? null);
  const found = CONVENTIONS.map((convention) =>
    JOINT_NAMES.map((_, joint) => named(boneName(joint, convention))),
  );
  const count = (bones: (Object3D | null)[]) => bones.filter((bone) => bone !== null).length;
  const counts = found.map(count);
  const best = counts.indexOf(Math.max(...counts));
  const bones = found[best]!;
  const convention = CONVENTIONS[best]!;
  const missing = NEEDED.filter((name) => !bones[JOINT_NAMES.indexOf(name)]);
  if (missing.length > 0) {
    const wanted = missing.map((name) => boneName(JOINT_NAMES.indexOf(name), convention));
    throw new Error(
      `its bones are not named as VRM, Mixamo, Manny or SMPL name them; missing ${wanted.join(", ")}`,
    );
  }
  return [convention, bones];
}
