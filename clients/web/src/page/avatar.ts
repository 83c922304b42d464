/** One person in the scene: a figure that takes the stream's rotations, its shadow and marks. */
import { Group, MathUtils, Quaternion, Vector3 } from "three";
import { JOINT_NAMES, NUM_JOINTS, type PersonState, type PosePerson } from "../client/pose";
import { ContactMarks } from "./contact-marks";
import { ContactShadow } from "./contact-shadow";
import { type Figure, MEAN_PROPORTIONS, type Proportions } from "./figure";
import { JointTrails } from "./joint-trails";

/** How much of its own colour a body has; the less is known of it, the paler it is. */
const COLOUR: Record<PersonState, number> = {
  tracked: 1,
  generated: 0.8,
  occluded: 0.55,
  warmup: 0.55,
  lost: 0.2,
};
const RESTING_COLOUR = 0.2;

export class Avatar {
  readonly group = new Group();
  readonly trails = new JointTrails();
  readonly marks = new ContactMarks();
  proportions: Proportions = MEAN_PROPORTIONS;
  private readonly shadow = new ContactShadow();
  private css = "#888";
  private pale = "#ccc";
  private figure: Figure | null = null;
  private last: PosePerson | null = null;
  private lastUs = 0;

  constructor() {
    this.group.visible = false;
    this.group.add(this.shadow.mesh, this.trails.group, this.marks.group);
  }

  get ready(): boolean {
    return this.figure !== null;
  }

  /** (24) the nodes that stand where the joints are. */
  get joints(): Figure["joints"] {
    return this.figure?.joints ?? [];
  }

  /** Where the hips are in the world, which for an avatar of another size isn't the person's place. */
  hips(into: Vector3): Vector3 | null {
    const hips = this.joints[0];
    return hips ? into.setFromMatrixPosition(hips.matrixWorld) : null;
  }

  colour(own: string, { pale, ink }: { pale: string; ink: string }): void {
    this.css = own;
    this.pale = pale;
    this.trails.colour(own, ink);
    this.marks.colour(own, ink);
    this.figure?.colour(own, pale, this.last ? COLOUR[this.last.state] : RESTING_COLOUR);
  }

  /** Puts a figure in the place of the one before; it takes the present pose at once. */
  wear(figure: Figure): void {
    this.takeOff();
    this.figure = figure;
    this.group.add(figure.root);
    if (this.last) this.pose(this.last, this.lastUs);
  }

  /** @param captureUs when the person was so. */
  pose(person: PosePerson, captureUs: number): void {
    const seconds = Math.max(0, captureUs - this.lastUs) / 1e6;
    this.last = person;
    this.lastUs = captureUs;
    if (!this.figure) return;
    this.figure.pose(person, this.proportions, seconds);
    this.show(COLOUR[person.state]);
    this.trails.follow(this.joints, captureUs);
    this.marks.follow(this.joints, person.contacts);
  }

  /** Stands at ease on the floor, pale: nobody's pose, a picture of what will come. */
  rest(x: number, z: number): void {
    this.hide();
    if (!this.figure) return;
    this.figure.pose(atEase(x, z), MEAN_PROPORTIONS, 0);
    this.show(RESTING_COLOUR);
  }

  hide(): void {
    this.last = null;
    this.group.visible = false;
    this.trails.clear();
    this.marks.clear();
  }

  dispose(): void {
    this.takeOff();
    this.shadow.dispose();
    this.trails.dispose();
    this.marks.dispose();
  }

  private show(share: number): void {
    this.group.visible = true;
    this.group.updateMatrixWorld(true);
    this.figure?.colour(this.css, this.pale, share);
    this.shadow.follow(this.joints, 0.3 + 0.45 * share);
  }

  private takeOff(): void {
    if (!this.figure) return;
    this.group.remove(this.figure.root);
    this.figure.dispose();
    this.figure = null;
  }
}

/** A person who stands with their arms down. */
function atEase(x: number, z: number): PosePerson {
  const rotations = new Float32Array(4 * NUM_JOINTS);
  const turn = (joint: number, degrees: number) =>
    new Quaternion()
      .setFromAxisAngle(new Vector3(0, 0, 1), MathUtils.degToRad(degrees))
      .toArray(rotations, 4 * joint);
  JOINT_NAMES.forEach((name, joint) =>
    turn(joint, name === "left_shoulder" ? -66 : name === "right_shoulder" ? 66 : 0),
  );
  return {
    person: -1,
    state: "lost",
    confidence: 0,
    pelvis: Float32Array.of(x, MEAN_PROPORTIONS.pelvisM, z),
    velocity: new Float32Array(3),
    contacts: new Float32Array(6),
    rotations,
    landmarks: null,
  };
}
