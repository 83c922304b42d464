/**
 * A VRM avatar, posed as VRM's how_to_transform_human_pose says: SMPL's rotations are relative to a
 * T-pose whose joint frames are all parallel, and so are those of VRM's normalized human bones; what
 * is left is bones that the avatar lacks, and the hips, which are scaled by leg length.
 */
import { type VRM, VRMUtils } from "@pixiv/three-vrm";
import { Mesh, type Object3D, Quaternion, Vector3 } from "three";
import type { PosePerson } from "../client/pose";
import { JOINT_NAMES } from "../client/pose";
import { vrmBone } from "./bone-names";
import type { Figure, Proportions } from "./figure";
import { ancestor, leaders, WorldRotations } from "./smpl-rotations";

const LONGEST_STEP_S = 0.1; // hair and skirts swing wildly after longer pauses

export class VrmPuppet implements Figure {
  readonly root: Object3D;
  /** Of the avatar's own skeleton, which follows the normalized one. */
  readonly joints: readonly (Object3D | null)[];
  private readonly bones: readonly (Object3D | null)[];
  private readonly above: readonly number[];
  private readonly lead: readonly number[];
  private readonly world = new WorldRotations();
  private readonly turn = new Quaternion();
  private readonly restHips: Vector3;
  private readonly legM: number;
  /** VRM 0 avatars look along −z, and their bones' x and z are the other way round. */
  private readonly sign: 1 | -1;

  constructor(private readonly vrm: VRM) {
    VRMUtils.rotateVRM0(vrm); // leaves VRM 1 alone
    this.root = vrm.scene;
    this.sign = vrm.meta.metaVersion === "0" ? -1 : 1;
    const { humanoid } = vrm;
    const names = JOINT_NAMES.map((_, joint) => vrmBone(joint));
    this.bones = names.map((name) => name && humanoid.getNormalizedBoneNode(name));
    this.joints = names.map((name) => name && humanoid.getRawBoneNode(name));
    const has = this.bones.map((bone) => bone !== null);
    this.above = this.bones.map((_, joint) => ancestor(joint, has));
    this.lead = leaders(has);
    this.root.updateMatrixWorld(true);
    this.restHips = this.at(0);
    this.legM = this.at(1).distanceTo(this.at(4)) + this.at(4).distanceTo(this.at(7));
    this.root.traverse((node) => {
      if (node instanceof Mesh) node.frustumCulled = false; // bones carry it far from its bounds
    });
  }

  pose({ rotations, pelvis }: PosePerson, { legM, pelvisM }: Proportions, seconds: number): void {
    this.world.update(rotations);
    this.bones.forEach((bone, joint) => {
      if (!bone) return;
      this.turn.copy(this.rotationOf(joint));
      const above = this.above[joint] ?? -1;
      if (above >= 0)
        this.turn.premultiply(this.conjugate.copy(this.rotationOf(above)).conjugate());
      bone.quaternion.set(
        this.sign * this.turn.x,
        this.turn.y,
        this.sign * this.turn.z,
        this.turn.w,
      );
    });
    const scale = this.legM / legM;
    const [x = 0, y = 0, z = 0] = pelvis;
    const height = this.restHips.y + scale * (y - pelvisM);
    this.bones[0]?.position.set(this.sign * scale * x, height, this.sign * scale * z);
    this.vrm.update(Math.min(seconds, LONGEST_STEP_S));
  }

  /** It has colours of its own. */
  colour(): void {}

  dispose(): void {
    VRMUtils.deepDispose(this.root);
  }

  private readonly conjugate = new Quaternion();

  private rotationOf(joint: number): Quaternion {
    return this.world.of[this.lead[joint] ?? joint]!;
  }

  private at(joint: number): Vector3 {
    return this.bones[joint]?.getWorldPosition(new Vector3()) ?? new Vector3();
  }
}
