/** Where the scene is seen from: framed on a person, orbited by hand, following when they walk. */
import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { fitDistance, followStep, LOOK_AT_M, zoomStep } from "./follow";

const SHOWN_HEIGHT_M = 2.45;
const SHOWN_WIDTH_M = 2.0;
const FIELD_OF_VIEW = 30;
const KEY_TURN = Math.PI / 18;
const MAX_DISTANCE_M = 15;
const TANGENT = Math.tan(MathUtils.degToRad(FIELD_OF_VIEW / 2));

export class Viewpoint {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.1, 60);
  private readonly controls: OrbitControls;
  private readonly spherical = new Spherical();
  private readonly offset = new Vector3();
  private framed = false;
  private touched = false;

  constructor(
    element: HTMLElement,
    private readonly onChange: () => void,
  ) {
    this.controls = new OrbitControls(this.camera, element);
    this.controls.maxPolarAngle = 0.49 * Math.PI;
    this.controls.minDistance = 1;
    this.controls.maxDistance = MAX_DISTANCE_M;
    this.controls.addEventListener("change", onChange);
    this.controls.addEventListener("start", () => {
      this.touched = true;
    });
    element.addEventListener("keydown", (event) => this.key(event));
    this.frame(0, -3);
    this.framed = false;
  }

  get target(): Vector3 {
    return this.controls.target;
  }

  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (!this.framed) this.frame(this.target.x, this.target.z, false);
  }

  /**
   * Looks at standing persons from the front, a little from the side and above.
   *
   * @param spanM how far those on the outside are from each other.
   */
  frame(x: number, z: number, settled = true, spanM = 0): void {
    const distance = this.distance(spanM);
    this.target.set(x, LOOK_AT_M, z);
    this.camera.position
      .setFromSphericalCoords(distance, MathUtils.degToRad(80), MathUtils.degToRad(18))
      .add(this.target);
    this.controls.update();
    this.framed = settled;
    this.touched = false;
    this.onChange();
  }

  /** Frames everybody, wherever the view was turned to. */
  frameAll(hips: readonly Vector3[]): void {
    const middle = middleOf(hips);
    const spanM = 2 * Math.max(...hips.map((at) => Math.hypot(at.x - middle.x, at.z - middle.z)));
    this.frame(middle.x, middle.z, true, spanM);
  }

  /** Keeps everybody in view: who is seen first at once, who joins, walks or jumps calmly. */
  follow(hips: readonly Vector3[], seconds: number): void {
    if (hips.length === 0) return;
    if (!this.framed) this.frameAll(hips);
    const step = followStep(this.target, middleOf(hips), seconds);
    const toCamera = this.offset.subVectors(this.camera.position, this.target);
    const zoom = this.touched ? 1 : this.zoom(hips, toCamera, seconds);
    if (step.lengthSq() === 0 && zoom === 1) return;
    this.target.add(step);
    this.camera.position.copy(this.target).addScaledVector(toCamera, zoom);
    this.controls.update();
  }

  /** The distance from which standing persons are shown. */
  private distance(spanM: number): number {
    const widest = Math.max(SHOWN_HEIGHT_M, (SHOWN_WIDTH_M + spanM) / this.camera.aspect);
    return widest / 2 / TANGENT;
  }

  private zoom(hips: readonly Vector3[], toCamera: Vector3, seconds: number): number {
    const fit = fitDistance(hips, this.target, toCamera, TANGENT, this.camera.aspect);
    const needed = Math.min(Math.max(fit, this.distance(0)), MAX_DISTANCE_M);
    return zoomStep(toCamera.length(), needed, seconds);
  }

  private key(event: KeyboardEvent): void {
    const turns: Record<string, readonly [number, number, number]> = {
      ArrowLeft: [-KEY_TURN, 0, 1],
      ArrowRight: [KEY_TURN, 0, 1],
      ArrowUp: [0, -KEY_TURN, 1],
      ArrowDown: [0, KEY_TURN, 1],
      "+": [0, 0, 0.9],
      "-": [0, 0, 1 / 0.9],
    };
    const turn = turns[event.key];
    if (!turn || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.touched = true;
    this.spherical.setFromVector3(this.offset.subVectors(this.camera.position, this.target));
    this.spherical.theta += turn[0];
    this.spherical.phi += turn[1];
    this.spherical.radius *= turn[2];
    this.spherical.makeSafe();
    this.camera.position.setFromSpherical(this.spherical).add(this.target);
    this.controls.update();
  }
}

function middleOf(points: readonly Vector3[]): Vector3 {
  const middle = new Vector3();
  for (const point of points) middle.addScaledVector(point, 1 / points.length);
  return middle;
}
