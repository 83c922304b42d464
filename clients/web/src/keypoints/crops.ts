/** Square windows of a picture: as stream/genmo_stream/keypoints/crops.py has them. */

/** What the landmarker is given: the person fills about the 256 px that its model looks at. */
export const CROP_SIZE = 560;

const SEARCH_STEP = 1.6; // each level of the search looks through windows this much smaller
const SEARCH_LEVELS = 3;

/** A point of the picture, pixels from its top left corner. */
export type Point = readonly [x: number, y: number];

/** A square of the picture, in pixels; it may reach beyond the picture. */
export class Window {
  constructor(
    readonly x: number,
    readonly y: number,
    readonly side: number,
  ) {}

  static centred([x, y]: Point, side: number): Window {
    return new Window(x - side / 2, y - side / 2, side);
  }

  /** The square around the points' bounding box, `factor` times its longer edge. */
  static around(points: readonly Point[], factor: number): Window {
    const { low, high } = box(points);
    const side = Math.max(high[0] - low[0], high[1] - low[1], 1);
    return Window.centred([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], factor * side);
  }

  /** The smallest square that holds the whole picture. */
  static whole(width: number, height: number): Window {
    return Window.centred([width / 2, height / 2], Math.max(width, height));
  }

  get centre(): Point {
    return [this.x + this.side / 2, this.y + this.side / 2];
  }

  scaled(factor: number): Window {
    return Window.centred(this.centre, this.side * factor);
  }

  /** The same window in a picture with `factor` times the resolution. */
  rescaled(factor: number): Window {
    return new Window(this.x * factor, this.y * factor, this.side * factor);
  }

  /** Moves a share (0..1) of the way to the target, the edge on a logarithmic scale. */
  toward(target: Window, share: number): Window {
    const [x, y] = this.centre;
    const [tx, ty] = target.centre;
    const side = this.side * (target.side / this.side) ** share;
    return Window.centred([x + share * (tx - x), y + share * (ty - y)], side);
  }
}

/** The corners of the box around points. */
export function box(points: readonly Point[]): { low: Point; high: Point } {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return {
    low: [Math.min(...xs), Math.min(...ys)],
    high: [Math.max(...xs), Math.max(...ys)],
  };
}

/** Windows that together show any person at a size the detector finds, big ones first. */
export function searchWindows(width: number, height: number): Window[] {
  const windows: Window[] = [];
  for (let level = 1; level <= SEARCH_LEVELS; level++) {
    const side = Math.max(width, height) / SEARCH_STEP ** level;
    for (const y of starts(height, side))
      for (const x of starts(width, side)) windows.push(new Window(x, y, side));
  }
  return windows;
}

/** Where windows begin along one edge: half overlapping, the edge covered from end to end. */
function starts(length: number, side: number): number[] {
  if (side >= length) return [(length - side) / 2];
  const count = Math.ceil((length - side) / (side / 2)) + 1;
  return Array.from({ length: count }, (_, i) => ((length - side) * i) / (count - 1));
}
