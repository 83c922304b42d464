/** Where head, hands and feet were in the last two seconds: a line, and a dot per pose, that fade. */
import {
  BufferAttribute,
  BufferGeometry,
  Color,
  DynamicDrawUsage,
  Group,
  LineBasicMaterial,
  LineSegments,
  type Object3D,
  Points,
  PointsMaterial,
  Vector3,
} from "three";

const JOINTS = [15, 20, 21, 10, 11];
const KEPT_US = 2_000_000;
const STEPS = 64; // a trail's corners; at 30 poses a second a little over two seconds
const DOT_PX = 3;
const JUMP_M = 0.6; // farther between two poses is no motion

interface Corner {
  us: number;
  at: Vector3;
  joined: boolean;
}

export class JointTrails {
  readonly group = new Group();
  private readonly corners: Corner[][] = JOINTS.map(() => []);
  private readonly geometry = new BufferGeometry();
  private readonly positions = new BufferAttribute(new Float32Array(JOINTS.length * STEPS * 6), 3);
  private readonly colours = new BufferAttribute(new Float32Array(JOINTS.length * STEPS * 8), 4);
  private readonly css = new Color();
  // Seen through the body, whose other side a hand may have passed.
  private readonly look = {
    vertexColors: true,
    transparent: true,
    depthTest: false,
    depthWrite: false,
  };
  private readonly line = new LineSegments(this.geometry, new LineBasicMaterial(this.look));
  private readonly dots = new Points(
    this.geometry,
    new PointsMaterial({ ...this.look, size: DOT_PX, sizeAttenuation: false }),
  );

  constructor() {
    this.geometry.setAttribute("position", this.positions.setUsage(DynamicDrawUsage));
    this.geometry.setAttribute("color", this.colours.setUsage(DynamicDrawUsage));
    this.geometry.setDrawRange(0, 0);
    this.group.visible = false;
    for (const part of [this.line, this.dots]) {
      part.frustumCulled = false;
      part.renderOrder = 2;
      this.group.add(part);
    }
  }

  /** How many pieces of line there are now. */
  get pieces(): number {
    return this.group.visible ? this.geometry.drawRange.count / 2 : 0;
  }

  /** A person's colour, nearer to that of text, to be seen before the body. */
  colour(own: string, ink: string): void {
    this.css.set(own).lerp(new Color(ink), 0.6);
  }

  show(visible: boolean): void {
    this.group.visible = visible;
  }

  clear(): void {
    for (const trail of this.corners) trail.length = 0;
    this.geometry.setDrawRange(0, 0);
  }

  /** Takes the joints of a pose, whose world matrices are up to date. */
  follow(joints: readonly (Object3D | null)[], us: number): void {
    JOINTS.forEach((joint, nth) => {
      const node = joints[joint];
      const trail = this.corners[nth]!;
      const newest = trail.at(-1);
      if (newest && (us < newest.us || us - newest.us > KEPT_US)) trail.length = 0;
      if (!node || newest?.us === us) return;
      const at = new Vector3().setFromMatrixPosition(node.matrixWorld);
      const before = trail.at(-1);
      trail.push({ us, at, joined: before !== undefined && before.at.distanceTo(at) < JUMP_M });
      while (trail.length > STEPS || us - trail[0]!.us > KEPT_US) trail.shift();
    });
    if (this.group.visible) this.fill(us);
  }

  dispose(): void {
    this.geometry.dispose();
    this.line.material.dispose();
    this.dots.material.dispose();
  }

  private fill(us: number): void {
    let vertex = 0;
    const put = ({ at, us: then }: Corner) => {
      const fresh = 1 - (us - then) / KEPT_US;
      this.positions.setXYZ(vertex, at.x, at.y, at.z);
      this.colours.setXYZW(vertex, this.css.r, this.css.g, this.css.b, fresh);
      vertex++;
    };
    for (const trail of this.corners)
      for (let i = 1; i < trail.length; i++) {
        if (!trail[i]!.joined) continue;
        put(trail[i - 1]!);
        put(trail[i]!);
      }
    this.geometry.setDrawRange(0, vertex);
    this.positions.needsUpdate = true;
    this.colours.needsUpdate = true;
  }
}
