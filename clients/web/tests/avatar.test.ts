import { Bone, BufferGeometry, Group, Skeleton, SkinnedMesh, Vector3 } from "three";
import { expect, test } from "vitest";
import { NUM_JOINTS } from "../src/client/pose";
import { decodePose } from "../src/client/protocol";
import { Avatar } from "../src/page/avatar";
import { BodyFigure } from "../src/page/body-figure";
import type { BodyModel } from "../src/page/body-model";
import { bytes, type Expected, json } from "./golden";

const expected = json<Expected>("expected.json");

test.each(Object.keys(expected.poses))(
  "the bones of %s stand where the golden pose says",
  (name) => {
    const body = skeleton();
    const avatar = new Avatar();
    avatar.wear(new BodyFigure(body));
    const person = decodePose(bytes(`poses/${name}.smpl.bin`)).persons[0];
    if (!person) throw new Error("the golden pose has nobody in it");
    avatar.pose(person, 0);
    const joints = expected.poses[name]?.values["smpl"]?.joints ?? [];
    expect(joints).toHaveLength(NUM_JOINTS);
    joints.forEach(([x, y, z], joint) => {
      const at = new Vector3().setFromMatrixPosition(body.bones[joint]!.matrixWorld);
      expect(at.distanceTo(new Vector3(x, y, z)), expected.names[joint]).toBeLessThan(1e-5);
    });
  },
);

/** The golden skeleton as bones, moved away from the origin as a file's rest pose is. */
function skeleton(): BodyModel {
  const offsets = expected.targets["smpl"]?.offsets ?? [];
  const bones = expected.names.map((name) => Object.assign(new Bone(), { name }));
  const root = new Group();
  bones.forEach((bone, joint) => {
    bone.position.fromArray(offsets[joint] ?? []);
    const parent = bones[expected.parents[joint] ?? -1];
    if (parent) parent.add(bone);
    else root.add(bone);
  });
  bones[0]?.position.set(0.3, 0.9, 0.1);
  const mesh = new SkinnedMesh(new BufferGeometry());
  mesh.bind(new Skeleton(bones));
  root.add(mesh);
  return { root, meshes: [mesh], bones };
}
