/** Where the scene is seen from: framed on a person, orbited by hand, following when they walk. */
import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

const EYE_LEVEL_M = 0.88; // a little under the middle of a standing person
const SHOWN_HEIGHT_M = 2.45;
const SHOWN_WIDTH_M = 2.0;
const FIELD_OF_VIEW = 30;
const FREE_M = 0.2; // a person may move this far before the view follows
const FOLLOW_SHARE = 0.1; // of the way beyond that, per pose
const JUMP_M = 2; // farther than this the view goes there at once
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
    this.target.set(x, EYE_LEVEL_M, z);
    this.camera.position
      .setFromSphericalCoords(distance, MathUtils.degToRad(80), MathUtils.degToRad(18))
      .add(this.target);
    this.controls.update();
    this.framed = settled;
    this.onChange();
  }

  /** Keeps a person in view; the first one seen is framed at once. */
  follow(x: number, z: number): void {
    if (!this.framed) return this.frame(x, z);
    const away = Math.hypot(x - this.target.x, z - this.target.z);
    if (away <= FREE_M) return;
    const share = ((away > JUMP_M ? 1 : FOLLOW_SHARE) * (away - FREE_M)) / away;
    this.offset.set(x - this.target.x, 0, z - this.target.z).multiplyScalar(share);
    this.target.add(this.offset);
    this.camera.position.add(this.offset);
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
