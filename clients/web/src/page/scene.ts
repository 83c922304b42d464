/** The 3D view: bodies on a floor, drawn only when a pose came or the view moved. */
import { DirectionalLight, HemisphereLight, Scene, Vector3, WebGLRenderer } from "three";
import type { Pose } from "../client/pose";
import { Avatar } from "./avatar";
import type { BodyModel } from "./body-model";
import { FloorGrid } from "./floor-grid";
import { Viewpoint } from "./viewpoint";

const MAX_PIXEL_RATIO = 2;

/** Where a body waits for somebody to come. */
const RESTING = { x: 0, z: -3 };

export interface SceneColours {
  grid: string;
  /** What bodies fade to. */
  pale: string;
  /** One per person, taken in turn. */
  bodies: readonly string[];
}

export class BodyScene {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly grid = new FloorGrid();
  private readonly viewpoint: Viewpoint;
  private readonly avatars = new Map<number, Avatar>();
  private colours: SceneColours = { grid: "#888", pale: "#ccc", bodies: ["#888"] };
  /** Dressed in the mean body before anybody is there, so that the first pose shows at once. */
  private spare: Avatar | null = new Avatar();
  private pose: Pose | null = null;
  private fresh = false;
  private followedUs = 0;
  private readonly pelvis = new Vector3();
  private resting = true;
  private requested = false;

  /** @param onDrawn called after a new pose was drawn. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly onDrawn: (pose: Pose) => void,
  ) {
    const software = rendersInSoftware();
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

  dress(person: number, body: BodyModel): void {
    this.avatar(person).wear(body);
    this.invalidate();
  }

  /** Gives the first person to come a body already now. */
  prepare(body: BodyModel): void {
    if (!this.spare || this.spare.ready) return;
    this.spare.wear(body);
    this.colour(0, this.spare);
    this.showResting(this.resting);
  }

  remove(person: number): void {
    const avatar = this.avatars.get(person);
    if (!avatar) return;
    this.avatars.delete(person);
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

  /** Takes everybody away and frames whoever comes next. */
  clear(): void {
    this.pose = null;
    this.fresh = false;
    for (const person of [...this.avatars.keys()]) this.remove(person);
    this.viewpoint.frame(RESTING.x, RESTING.z, false);
  }

  recentre(): void {
    const first = this.pose?.persons[0];
    if (first) this.viewpoint.frame(first.pelvis[0] ?? 0, first.pelvis[2] ?? 0);
    else this.viewpoint.frame(RESTING.x, RESTING.z, false);
  }

  restyle(colours: SceneColours): void {
    this.colours = colours;
    this.grid.colour(colours.grid);
    [...this.avatars.values()].forEach((avatar, nth) => this.colour(nth, avatar));
    if (this.spare) this.colour(0, this.spare);
    this.invalidate();
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
      this.colour(this.avatars.size, avatar);
      this.scene.add(avatar.group);
      this.avatars.set(person, avatar);
    }
    return avatar;
  }

  private colour(nth: number, avatar: Avatar): void {
    const { bodies, pale } = this.colours;
    avatar.colour(bodies[nth % bodies.length] ?? "#888", pale);
  }

  private invalidate(): void {
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const pose = this.fresh ? this.pose : null;
    this.fresh = false;
    if (pose) this.arrange(pose);
    this.grid.follow(this.viewpoint.target.x, this.viewpoint.target.z);
    this.requested = false; // only now: following a person is no reason to draw twice
    this.renderer.render(this.scene, this.viewpoint.camera);
    if (pose) this.onDrawn(pose);
  }

  private arrange(pose: Pose): void {
    for (const person of pose.persons) this.avatar(person.person).pose(person);
    for (const [person, avatar] of this.avatars)
      if (!pose.persons.some((present) => present.person === person)) avatar.hide();
    const first = pose.persons[0];
    const seconds = Math.min(Math.max((pose.captureUs - this.followedUs) / 1e6, 0), 0.5);
    this.followedUs = pose.captureUs;
    if (first) this.viewpoint.follow(this.pelvis.fromArray(first.pelvis), seconds);
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (width === 0 || height === 0) return;
    this.renderer.setSize(width, height, false);
    this.viewpoint.resize(width, height);
    this.invalidate();
  }
}

/** Whether there is no graphics chip: then every pixel counts. */
function rendersInSoftware(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const detail = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl && detail ? String(gl.getParameter(detail.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software/i.test(name);
}
