/** The server's body of a person, in the person's colour. */
import { Color, MeshLambertMaterial } from "three";
import type { PosePerson } from "../client/pose";
import type { BodyModel } from "./body-model";
import type { Figure } from "./figure";

export class BodyFigure implements Figure {
  private readonly material = new MeshLambertMaterial();
  private readonly own = new Color();

  constructor(private readonly body: BodyModel) {
    for (const mesh of body.meshes) mesh.material = this.material;
  }

  get root() {
    return this.body.root;
  }

  get joints() {
    return this.body.bones;
  }

  pose({ rotations, pelvis }: PosePerson): void {
    this.body.bones.forEach((bone, joint) => bone.quaternion.fromArray(rotations, 4 * joint));
    this.body.bones[0]?.position.fromArray(pelvis);
  }

  colour(css: string, pale: string, share: number): void {
    this.material.color.set(pale).lerp(this.own.set(css), share);
  }

  dispose(): void {
    for (const mesh of this.body.meshes) {
      mesh.geometry.dispose();
      mesh.skeleton.dispose();
    }
    this.material.dispose();
  }
}
