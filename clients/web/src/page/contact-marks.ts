/** Rings on the floor below feet, and about hands, that rest on something. */
import { Color, Group, Mesh, MeshBasicMaterial, type Object3D, RingGeometry, Vector3 } from "three";

/** Joint of each contact probability: ankles and feet, then wrists. */
const JOINTS = [7, 10, 8, 11, 20, 21];
const FIRST_WRIST = 4;
const INNER_M = 0.042;
const OUTER_M = 0.065;
const LEAST = 0.5; // a probability below is no contact
const ABOVE_FLOOR_M = 0.006;
const BELOW_JOINT_M = [0.09, 0.03]; // ankle and ball of the foot above the sole

export class ContactMarks {
  readonly group = new Group();
  private readonly geometry = new RingGeometry(INNER_M, OUTER_M, 24).rotateX(-Math.PI / 2);
  private readonly marks = JOINTS.map(() => {
    const material = new MeshBasicMaterial({ transparent: true, depthTest: false });
    return new Mesh(this.geometry, material);
  });
  private readonly at = new Vector3();

  constructor() {
    for (const mark of this.marks) mark.renderOrder = 1;
    this.group.add(...this.marks);
    this.group.visible = false;
    this.clear();
  }

  /** How many contacts are marked now. */
  get count(): number {
    return this.group.visible ? this.marks.filter((mark) => mark.visible).length : 0;
  }

  /** A person's colour, nearer to that of text, to be seen before the body. */
  colour(own: string, ink: string): void {
    for (const mark of this.marks) mark.material.color.set(own).lerp(new Color(ink), 0.6);
  }

  show(visible: boolean): void {
    this.group.visible = visible;
  }

  clear(): void {
    for (const mark of this.marks) mark.visible = false;
  }

  /** @param contacts (6) probability 0..1. */
  follow(joints: readonly (Object3D | null)[], contacts: Float32Array): void {
    this.marks.forEach((mark, nth) => {
      const probability = contacts[nth] ?? 0;
      const joint = joints[JOINTS[nth] ?? -1];
      mark.visible = joint != null && probability >= LEAST;
      if (!joint || !mark.visible) return;
      mark.position.copy(this.at.setFromMatrixPosition(joint.matrixWorld));
      if (nth < FIRST_WRIST)
        mark.position.y = Math.max(ABOVE_FLOOR_M, this.at.y - BELOW_JOINT_M[nth % 2]!);
      mark.material.opacity = probability;
    });
  }

  dispose(): void {
    this.geometry.dispose();
    for (const mark of this.marks) mark.material.dispose();
  }
}
