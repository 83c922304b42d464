/** A floor grid of half metres that fades into the distance and follows what is looked at. */
import {
  BufferGeometry,
  Color,
  Float32BufferAttribute,
  LineBasicMaterial,
  LineSegments,
} from "three";

const STEP_M = 0.5;
const REACH_M = 5;

export class FloorGrid {
  readonly lines: LineSegments<BufferGeometry, LineBasicMaterial>;

  constructor() {
    const positions: number[] = [];
    const colours: number[] = [];
    const add = (x: number, z: number, weight: number) => {
      positions.push(x, 0, z);
      const near = Math.max(0, 1 - Math.hypot(x, z) / REACH_M);
      colours.push(1, 1, 1, weight * near * near * (3 - 2 * near));
    };
    for (let i = -REACH_M; i <= REACH_M; i += STEP_M) {
      const weight = Number.isInteger(i) ? 1 : 0.4;
      for (let j = -REACH_M; j < REACH_M; j += STEP_M) {
        add(i, j, weight);
        add(i, j + STEP_M, weight);
        add(j, i, weight);
        add(j + STEP_M, i, weight);
      }
    }
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new Float32BufferAttribute(positions, 3));
    geometry.setAttribute("color", new Float32BufferAttribute(colours, 4));
    const material = new LineBasicMaterial({
      vertexColors: true,
      transparent: true,
      depthWrite: false,
    });
    this.lines = new LineSegments(geometry, material);
  }

  colour(css: string): void {
    this.lines.material.color = new Color(css);
  }

  /** Moves by whole metres, so that the lines stay where they are in the world. */
  follow(x: number, z: number): void {
    this.lines.position.set(Math.round(x), 0, Math.round(z));
  }
}
