import { Bone, Euler, Group, type Object3D, Quaternion, Vector3 } from "three";
import { describe, expect, test } from "vitest";
import { JOINT_NAMES } from "../src/client/pose";
import { decodePose } from "../src/client/protocol";
import { boneName, type Convention, plainName } from "../src/page/bone-names";
import { MEAN_PROPORTIONS } from "../src/page/figure";
import { GlbPuppet } from "../src/page/glb-puppet";
import { PARENTS } from "../src/page/smpl-rotations";
import { bytes, type Expected, json } from "./golden";

const expected = json<Expected>("expected.json");
const LIMBS = [
  [16, 18],
  [18, 20],
  [17, 19],
  [19, 21],
  [1, 4],
  [4, 7],
  [2, 5],
  [5, 8],
] as const;
/** From SMPL's T-pose, mean adult; see docs/conventions.md. */
const REST: Record<number, Vector3> = {
  16: new Vector3(0.174, 0.449, -0.046),
  18: new Vector3(0.43, 0.436, -0.07),
};

interface Rig {
  names: Convention;
  prefix?: string;
  /** Arms hang by so many degrees at rest. */
  arms?: number;
  /** The whole model is turned about y by so many degrees, and lies in an armature so scaled. */
  facing?: number;
  scale?: number;
  without?: string[];
}

/** A skeleton of the golden proportions whose bones are each turned some way of their own. */
function rig({ names, prefix = "", arms = 0, facing = 0, scale = 1, without = [] }: Rig): Object3D {
  const offsets = expected.targets["smpl"]?.offsets ?? [];
  const places: Vector3[] = [];
  offsets.forEach((offset, joint) => {
    const parent = PARENTS[joint] ?? -1;
    const from = places[parent] ?? new Vector3(0, 0.98, 0);
    const step = new Vector3().fromArray(offset);
    const side = JOINT_NAMES[joint]!.startsWith("left") ? -1 : 1;
    if (/elbow|wrist|hand/.test(JOINT_NAMES[joint]!))
      step.applyAxisAngle(new Vector3(0, 0, 1), (side * arms * Math.PI) / 180);
    places.push(from.clone().add(step));
  });
  const root = new Group();
  const armature = new Group();
  armature.scale.setScalar(scale);
  armature.rotation.set(-Math.PI / 2, 0, 0); // as Blender's exports lie
  root.rotation.y = (facing * Math.PI) / 180;
  root.add(armature);
  root.updateMatrixWorld(true);
  const bones: (Bone | null)[] = [];
  places.forEach((place, joint) => {
    const name = boneName(joint, names);
    const parents = PARENTS[joint] ?? -1;
    if (name === null || without.includes(name)) return void bones.push(null);
    let above = parents;
    while (above >= 0 && !bones[above]) above = PARENTS[above] ?? -1;
    const parent = bones[above] ?? armature;
    const bone = new Bone();
    bone.name = prefix + name;
    parent.add(bone);
    const own = new Quaternion().setFromEuler(new Euler(0.3 * joint, 0.7 * joint, -0.4 * joint));
    root.updateMatrixWorld(true);
    bone.position.copy(parent.worldToLocal(root.localToWorld(place.clone())));
    bone.quaternion.copy(parent.getWorldQuaternion(new Quaternion()).invert().multiply(own));
    root.updateMatrixWorld(true);
    bones.push(bone);
  });
  return root;
}

function direction(puppet: GlbPuppet, from: number, to: number): Vector3 {
  const at = (joint: number) => puppet.joints[joint]!.getWorldPosition(new Vector3());
  return at(to).sub(at(from)).normalize();
}

const RIGS: [string, Rig][] = [
  ["SMPL names", { names: "smpl" }],
  [
    "Mixamo's, in an armature of centimetres",
    { names: "mixamo", prefix: "mixamorig:", scale: 0.01 },
  ],
  ["Manny's, whose arms hang", { names: "manny", arms: 48 }],
  ["Unity's, looking backwards", { names: "vrm", facing: 180 }],
];

describe.each(RIGS)("an avatar with %s", (_, made) => {
  test.each(Object.keys(expected.poses))("has the limbs of %s", (name) => {
    const puppet = new GlbPuppet(rig(made));
    expect(puppet.convention).toBe(made.names);
    const person = decodePose(bytes(`poses/${name}.smpl.bin`)).persons[0]!;
    puppet.pose(person, MEAN_PROPORTIONS);
    const joints = expected.poses[name]!.values["smpl"]!.joints.map((p) => new Vector3(...p));
    for (const [from, to] of LIMBS) {
      const wanted = joints[to]!.clone().sub(joints[from]!).normalize();
      // The golden skeleton's limbs point elsewhere than the mean adult's by a few degrees.
      const off = direction(puppet, from, to).angleTo(wanted) * (180 / Math.PI);
      expect(off, `${JOINT_NAMES[from]} to ${JOINT_NAMES[to]}`).toBeLessThan(8);
    }
  });
});

test("limbs point exactly where the mean adult's do in the T-pose", () => {
  const puppet = new GlbPuppet(rig({ names: "manny", arms: 48 }));
  puppet.pose(decodePose(bytes("poses/t_pose.smpl.bin")).persons[0]!, MEAN_PROPORTIONS);
  const wanted = REST[18]!.clone().sub(REST[16]!).normalize();
  expect(direction(puppet, 16, 18).angleTo(wanted)).toBeLessThan(0.005);
});

test("hips move by the ratio of leg lengths", () => {
  const puppet = new GlbPuppet(rig({ names: "mixamo", scale: 0.5 }));
  const person = decodePose(bytes("poses/t_pose.smpl.bin")).persons[0]!;
  const legM = 2 * (0.39 + 0.42);
  puppet.pose({ ...person, pelvis: Float32Array.of(1, 2, -3) }, { legM, pelvisM: 2 });
  const hips = puppet.joints[0]!.getWorldPosition(new Vector3());
  const scale = hips.x; // of one metre to the side
  expect(scale).toBeCloseTo(0.5, 1);
  expect(hips.z).toBeCloseTo(-3 * scale, 4);
});

test("a spine with fewer bones carries shoulders and head as the whole one does", () => {
  const puppet = new GlbPuppet(rig({ names: "mixamo", without: ["Spine1", "Spine2"] }));
  const person = decodePose(bytes("poses/right_hand_up.smpl.bin")).persons[0]!;
  const bent = person.rotations.slice();
  const half = Math.sin(Math.PI / 12);
  for (const joint of [3, 6, 9]) bent.set([half, 0, 0, Math.cos(Math.PI / 12)], 4 * joint);
  bent.set([0, 0, 0, 1], 4 * 17);
  puppet.pose({ ...person, rotations: bent }, MEAN_PROPORTIONS);
  const arm = direction(puppet, 17, 19);
  expect(Math.abs(arm.y)).toBeLessThan(0.15); // bent forwards by 90°, the arm still points aside
  expect(arm.x).toBeLessThan(-0.95);
});

test("a model with other bones is refused, and the missing ones are named", () => {
  const model = new Group();
  model.add(Object.assign(new Bone(), { name: "tentacle" }));
  expect(() => new GlbPuppet(model)).toThrow(/pelvis/);
  expect(() => new GlbPuppet(rig({ names: "mixamo", without: ["LeftForeArm"] }))).toThrow(
    /missing LeftForeArm/,
  );
});

test.each([
  ["mixamorig:LeftUpLeg", "leftupleg"],
  ["mixamorigLeftUpLeg", "leftupleg"],
  ["mixamorig5:Hips", "hips"],
  ["L_Hip", "left_hip"],
  ["Armature|pelvis", "pelvis"],
])("%s is plainly %s", (name, plain) => {
  expect(plainName(name)).toBe(plain);
});
