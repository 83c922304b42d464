/** The 3D view: bodies on a floor, drawn only when a pose came or the view moved. */
import { DirectionalLight, HemisphereLight, Scene, Vector3, WebGLRenderer } from "three";
import type { Pose } from "../client/pose";
import { Avatar } from "./avatar";
import { ColourSlots } from "./colour-slots";
import type { Figure, Proportions } from "./figure";
import { FloorGrid } from "./floor-grid";
import { Viewpoint } from "./viewpoint";

const MAX_PIXEL_RATIO = 2;

/** Where a body waits for somebody to come. */
const RESTING = { x: 0, z: -3 };

export interface SceneColours {
  grid: string;
  /** What bodies fade to. */
  pale: string;
  /** What stands out before everything: the colour of text. */
  ink: string;
  /** One per person, taken in turn. */
  bodies: readonly string[];
}

/** One person as drawn. */
export interface Inspection {
  person: number;
  /** (24) in the world, metres; null where the figure has none. */
  joints: (number[] | null)[];
  /** Pieces of trail, and contacts marked. */
  trails: number;
  contacts: number;
}

export class BodyScene {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly grid = new FloorGrid();
  private readonly viewpoint: Viewpoint;
  private readonly avatars = new Map<number, Avatar>();
  private readonly slots = new ColourSlots();
  private colours: SceneColours = { grid: "#888", pale: "#ccc", ink: "#000", bodies: ["#888"] };
  /** Dressed in the mean body before anybody is there, so that the first pose shows at once. */
  private spare: Avatar | null = new Avatar();
  private pose: Pose | null = null;
  private fresh = false;
  private source: (() => Pose | null) | null = null;
  private marked = { trails: false, contacts: false };
  private followedUs = 0;
  private resting = true;
  private requested = false;
  private moved = false;

  /** Whether there is no graphics chip: then every pixel counts. */
  readonly software = rendersInSoftware();

  /** @param onDrawn called after a new pose was drawn. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly onDrawn: (pose: Pose) => void,
  ) {
    const { software } = this;
    this.renderer = new WebGLRenderer({
      canvas,
      alpha: true,
      antialias: !software,
      powerPreference: "high-performance",
    });
    this.renderer.setPixelRatio(software ? 1 : Math.min(devicePixelRatio, MAX_PIXEL_RATIO));
    this.viewpoint = new Viewpoint(canvas, () => this.invalidate());
    const key = new DirectionalLight("#ffffff", 2.4);
    key.position.set(-2, 4, 3);
    const rim = new DirectionalLight("#ffffff", 1.1);
    rim.position.set(3, 2.5, -4);
    this.scene.add(new HemisphereLight("#ffffff", "#a39f9a", 1.7), key, rim, this.grid.lines);
    if (this.spare) this.scene.add(this.spare.group);
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Draws this pose next; one that was not drawn yet is overtaken. */
  show(pose: Pose): void {
    this.pose = pose;
    this.fresh = true;
    this.invalidate();
  }

  /** Asks for a pose before every frame, instead of waiting to be shown one; null ends that. */
  play(source: (() => Pose | null) | null): void {
    this.source = source;
    this.invalidate();
  }

  /** Joint trails and contact marks on or off. */
  mark(marked: { trails: boolean; contacts: boolean }): void {
    this.marked = marked;
    for (const avatar of this.everybody()) this.showMarks(avatar);
    if (this.pose) this.show(this.pose);
  }

  dress(person: number, figure: Figure): void {
    this.avatar(person).wear(figure);
    this.invalidate();
  }

  /** Tells how long a person's legs are. */
  measure(person: number, proportions: Proportions): void {
    this.avatar(person).proportions = proportions;
  }

  /** Gives the first person to come a figure already now. */
  prepare(figure: Figure): void {
    if (!this.spare) return figure.dispose();
    this.spare.wear(figure);
    this.colour(0, this.spare);
    this.showResting(this.resting);
  }

  remove(person: number): void {
    const avatar = this.avatars.get(person);
    if (!avatar) return;
    this.avatars.delete(person);
    this.slots.leave(person);
    this.scene.remove(avatar.group);
    if (this.spare) avatar.dispose();
    else this.keepAsSpare(avatar);
    this.invalidate();
  }

  /** Shows or hides a body that stands at ease while nobody is there. */
  showResting(resting: boolean): void {
    this.resting = resting;
    if (resting) this.spare?.rest(RESTING.x, RESTING.z);
    else this.spare?.hide();
    this.invalidate();
  }

  /** Takes everybody away but those to keep, and frames whoever comes next. */
  clear(keep: (person: number) => boolean): void {
    for (const person of [...this.avatars.keys()]) if (!keep(person)) this.remove(person);
    this.slots.forget();
    if (this.avatars.size === 0) this.lookAgain();
  }

  /** Others are shown from now on: frames whoever is drawn first. */
  lookAgain(): void {
    this.pose = null;
    this.fresh = false;
    this.viewpoint.frame(RESTING.x, RESTING.z, false);
    this.invalidate();
  }

  recentre(): void {
    const hips = this.allHips();
    if (hips.length > 0) this.viewpoint.frameAll(hips);
    else this.viewpoint.frame(RESTING.x, RESTING.z, false);
  }

  restyle(colours: SceneColours): void {
    this.colours = colours;
    this.grid.colour(colours.grid);
    for (const [person, avatar] of this.avatars) this.colour(this.slots.of(person), avatar);
    if (this.spare) this.colour(0, this.spare);
    this.invalidate();
  }

  /** The colour of a person who is there. */
  colourOf(person: number): string {
    const { bodies } = this.colours;
    return bodies[this.slots.of(person) % bodies.length] ?? "#888";
  }

  /** Where everybody's joints stand, by person: for tests. */
  inspect(): Inspection[] {
    return [...this.avatars].flatMap(([person, avatar]) => {
      if (!avatar.group.visible) return [];
      const joints = avatar.joints.map((joint) =>
        joint ? new Vector3().setFromMatrixPosition(joint.matrixWorld).toArray() : null,
      );
      return [{ person, joints, trails: avatar.trails.pieces, contacts: avatar.marks.count }];
    });
  }

  private everybody(): Avatar[] {
    return [...this.avatars.values(), ...(this.spare ? [this.spare] : [])];
  }

  private showMarks(avatar: Avatar): void {
    avatar.trails.show(this.marked.trails);
    avatar.marks.show(this.marked.contacts);
  }

  private keepAsSpare(avatar: Avatar): void {
    this.scene.add(avatar.group);
    this.spare = avatar;
    this.showResting(this.resting);
  }

  private avatar(person: number): Avatar {
    let avatar = this.avatars.get(person);
    if (!avatar) {
      avatar = this.spare ?? new Avatar();
      this.spare = null;
      this.colour(this.slots.enter(person, this.colours.bodies.length), avatar);
      this.showMarks(avatar);
      this.scene.add(avatar.group);
      this.avatars.set(person, avatar);
    }
    return avatar;
  }

  private colour(nth: number, avatar: Avatar): void {
    const { bodies } = this.colours;
    avatar.colour(bodies[nth % bodies.length] ?? "#888", this.colours);
  }

  private invalidate(): void {
    this.moved = true;
    this.request();
  }

  private request(): void {
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    this.requested = false;
    const pose = this.next();
    const still = this.source !== null && pose === null && !this.moved;
    if (this.source) this.request();
    if (still) return;
    this.moved = false;
    if (pose) this.arrange(pose);
    this.grid.follow(this.viewpoint.target.x, this.viewpoint.target.z);
    this.renderer.render(this.scene, this.viewpoint.camera);
    this.moved = false; // following a person is no reason to draw twice
    if (pose) this.onDrawn(pose);
  }

  /** The pose to draw, if it is another than before. */
  private next(): Pose | null {
    if (this.source) {
      const sampled = this.source();
      if (!sampled || sampled.captureUs === this.pose?.captureUs) return null;
      this.pose = sampled;
      return sampled;
    }
    const pose = this.fresh ? this.pose : null;
    this.fresh = false;
    return pose;
  }

  private arrange(pose: Pose): void {
    for (const person of pose.persons) this.avatar(person.person).pose(person, pose.captureUs);
    for (const [person, avatar] of this.avatars)
      if (!pose.persons.some((present) => present.person === person)) avatar.hide();
    const seconds = Math.min(Math.max((pose.captureUs - this.followedUs) / 1e6, 0), 0.5);
    this.followedUs = pose.captureUs;
    this.viewpoint.follow(this.allHips(), seconds);
  }

  /** Where everybody's hips are as drawn. */
  private allHips(): Vector3[] {
    return (this.pose?.persons ?? []).map(({ person, pelvis }) => {
      const drawn = this.avatars.get(person)?.hips(new Vector3());
      return drawn ?? new Vector3().fromArray(pelvis);
    });
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.renderer.setSize(width, height, false);
    this.viewpoint.resize(width, height);
    this.invalidate();
  }
}

/** Whether there is no graphics chip. */
function rendersInSoftware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const detail = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl && detail ? String(gl.getParameter(detail.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}
