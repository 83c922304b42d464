/** One person in the scene: a skinned body that takes the stream's rotations, and its shadow. */
import { Box3, Color, Group, MathUtils, MeshLambertMaterial, Quaternion, Vector3 } from "three";
import { JOINT_NAMES, type PersonState, type PosePerson } from "../client/pose";
import type { BodyModel } from "./body-model";
import { ContactShadow } from "./contact-shadow";

/** How much of its own colour a body has; the less is known of it, the paler it is. */
const COLOUR: Record<PersonState, number> = {
  tracked: 1,
  generated: 0.8,
  occluded: 0.55,
  warmup: 0.55,
  lost: 0.2,
};
const RESTING_COLOUR = 0.2;
const RESTING_ARMS: readonly (readonly [(typeof JOINT_NAMES)[number], number])[] = [
  ["left_shoulder", -66],
  ["right_shoulder", 66],
];
const FORWARD = new Vector3(0, 0, 1);

export class Avatar {
  readonly group = new Group();
  private readonly material = new MeshLambertMaterial();
  private readonly shadow = new ContactShadow();
  private readonly own = new Color();
  private readonly pale = new Color();
  private body: BodyModel | null = null;
  private last: PosePerson | null = null;

  constructor() {
    this.group.visible = false;
    this.group.add(this.shadow.mesh);
  }

  get ready(): boolean {
    return this.body !== null;
  }

  colour(own: string, pale: string): void {
    this.own.set(own);
    this.pale.set(pale);
    this.fade(this.last ? COLOUR[this.last.state] : RESTING_COLOUR);
  }

  /** Puts a body in the place of the one before; it takes the present pose at once. */
  wear(body: BodyModel): void {
    this.takeOff();
    for (const mesh of body.meshes) mesh.material = this.material;
    this.body = body;
    this.group.add(body.root);
    if (this.last) this.pose(this.last);
  }

  pose(person: PosePerson): void {
    this.last = person;
    if (!this.body) return;
    const { bones } = this.body;
    const { rotations, pelvis } = person;
    bones.forEach((bone, joint) => bone.quaternion.fromArray(rotations, 4 * joint));
    bones[0]?.position.fromArray(pelvis);
    this.show(COLOUR[person.state]);
  }

  /** Stands at ease on the floor, pale: nobody's pose, a picture of what will come. */
  rest(x: number, z: number): void {
    this.last = null;
    if (!this.body) return;
    const { bones, meshes } = this.body;
    for (const bone of bones) bone.quaternion.identity();
    for (const [name, degrees] of RESTING_ARMS)
      bones[JOINT_NAMES.indexOf(name)]?.quaternion.copy(
        new Quaternion().setFromAxisAngle(FORWARD, MathUtils.degToRad(degrees)),
      );
    bones[0]?.position.set(0, 0, 0);
    this.group.updateMatrixWorld(true);
    const bounds = meshes.reduce((box, mesh) => {
      mesh.computeBoundingBox(); // of the posed vertices
      return mesh.boundingBox ? box.union(mesh.boundingBox) : box;
    }, new Box3());
    bones[0]?.position.set(x, -bounds.min.y, z);
    this.show(RESTING_COLOUR);
  }

  hide(): void {
    this.last = null;
    this.group.visible = false;
  }

  dispose(): void {
    this.takeOff();
    this.material.dispose();
    this.shadow.dispose();
  }

  private show(colour: number): void {
    this.group.visible = true;
    this.group.updateMatrixWorld(true);
    this.fade(colour);
    if (this.body) this.shadow.follow(this.body.bones, 0.3 + 0.45 * colour);
  }

  private fade(colour: number): void {
    this.material.color.lerpColors(this.pale, this.own, colour);
  }

  private takeOff(): void {
    if (!this.body) return;
    this.group.remove(this.body.root);
    for (const mesh of this.body.meshes) {
      mesh.geometry.dispose();
      mesh.skeleton.dispose();
    }
    this.body = null;
  }
}
