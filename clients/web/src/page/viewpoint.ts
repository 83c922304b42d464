/** Where the scene is seen from: framed on a person, orbited by hand, following when they walk. */
import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { followStep, LOOK_AT_M } from "./follow";

const SHOWN_HEIGHT_M = 2.45;
const SHOWN_WIDTH_M = 2.0;
const FIELD_OF_VIEW = 30;
const KEY_TURN = Math.PI / 18;

export class Viewpoint {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.1, 60);
  private readonly controls: OrbitControls;
  private readonly spherical = new Spherical();
  private readonly offset = new Vector3();
  private framed = false;

  constructor(
    element: HTMLElement,
    private readonly onChange: () => void,
  ) {
    this.controls = new OrbitControls(this.camera, element);
    this.controls.maxPolarAngle = 0.49 * Math.PI;
    this.controls.minDistance = 1;
    this.controls.maxDistance = 15;
    this.controls.addEventListener("change", onChange);
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

  /** Looks at a standing person from the front, a little from the side and above. */
  frame(x: number, z: number, settled = true): void {
    const tangent = Math.tan(MathUtils.degToRad(FIELD_OF_VIEW / 2));
    const widest = Math.max(SHOWN_HEIGHT_M, SHOWN_WIDTH_M / this.camera.aspect);
    const distance = widest / 2 / tangent;
    this.target.set(x, LOOK_AT_M, z);
    this.camera.position
      .setFromSphericalCoords(distance, MathUtils.degToRad(80), MathUtils.degToRad(18))
      .add(this.target);
    this.controls.update();
    this.framed = settled;
    this.onChange();
  }

  /** Keeps a person in view; the first one seen is framed at once. */
  follow(pelvis: Vector3, seconds: number): void {
    if (!this.framed) this.frame(pelvis.x, pelvis.z);
    const step = followStep(this.target, pelvis, seconds);
    if (step.lengthSq() === 0) return;
    this.target.add(step);
    this.camera.position.add(step);
    this.controls.update();
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
    this.spherical.setFromVector3(this.offset.subVectors(this.camera.position, this.target));
    this.spherical.theta += turn[0];
    this.spherical.phi += turn[1];
    this.spherical.radius *= turn[2];
    this.spherical.makeSafe();
    this.camera.position.setFromSpherical(this.spherical).add(this.target);
    this.controls.update();
  }
}
