/** One person in the scene: a skinned body that takes the stream's rotations, and its shadow. */
import { Group, MeshStandardMaterial } from "three";
import type { PersonState, PosePerson } from "../client/pose";
import type { BodyModel } from "./body-model";
import { ContactShadow } from "./contact-shadow";

const OPACITY: Record<PersonState, number> = {
  tracked: 1,
  generated: 0.8,
  occluded: 0.6,
  warmup: 0.6,
  lost: 0.25,
};

export class Avatar {
  readonly group = new Group();
  private readonly material = new MeshStandardMaterial({ roughness: 0.72 });
  private readonly shadow = new ContactShadow();
  private body: BodyModel | null = null;
  private last: PosePerson | null = null;

  constructor() {
    this.group.visible = false;
    this.group.add(this.shadow.mesh);
  }

  get ready(): boolean {
    return this.body !== null;
  }

  colour(css: string): void {
    this.material.color.set(css);
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
    this.group.visible = true;
    this.group.updateMatrixWorld(true);
    this.fade(OPACITY[person.state]);
    this.shadow.follow(bones, 0.75 * OPACITY[person.state]);
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

  private fade(opacity: number): void {
    if (this.material.opacity === opacity) return;
    this.material.opacity = opacity;
    this.material.transparent = opacity < 1;
    this.material.needsUpdate = true;
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
