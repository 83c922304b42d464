/**
 * Known people painted over, so that a look finds somebody else: what to paint in a crop.
 *
 * As stream/genmo_stream/keypoints/cover.py paints hulls: a painted figure still has the form of a
 * person, which the detector sees now and then.
 */
import { type Landmarks, torsoSize } from "./body";
import { CROP_SIZE, type Point, type Window } from "./crops";

const MARGIN = 0.35; // torsos around the hull
const BEYOND = 4; // crops to every side within which it is painted

const SAME_BODY = 0.35; // torsos between two people's landmarks, on average: it is one body
const SURE = 0.5; // visibility of landmarks that tell bodies apart
const LEAST_SURE = 6;
const BODY_FROM = 11; // shoulders ...
const BODY_TO = 29; // ... to ankles

/** A polygon and how far around it is painted as well, in a crop's pixels. */
export interface Cover {
  hull: Point[];
  margin: number;
}

/** What hides somebody's landmarks (the picture's pixels) in the crop of a window. */
export function coverOf(pixels: readonly Point[], { x, y, side }: Window): Cover {
  const zoom = CROP_SIZE / side;
  const clipped = (value: number) =>
    Math.min((BEYOND + 1) * CROP_SIZE, Math.max(-BEYOND * CROP_SIZE, value));
  const points = pixels.map(([px, py]): Point => [
    clipped((px - x) * zoom),
    clipped((py - y) * zoom),
  ]);
  return { hull: hullOf(points), margin: MARGIN * Math.min(torsoSize(pixels) * zoom, CROP_SIZE) };
}

/** The convex hull, its corners in turn (Andrew's monotone chain). */
export function hullOf(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return [...chain(sorted), ...chain(sorted.reverse())];
}

/** The half of the hull on one side of the line from the first to the last point, without that. */
function chain(points: readonly Point[]): Point[] {
  const corners: Point[] = [];
  for (const point of points) {
    while (corners.length > 1 && !turnsLeft(corners.at(-2)!, corners.at(-1)!, point)) corners.pop();
    corners.push(point);
  }
  return corners.slice(0, -1);
}

function turnsLeft(a: Point, b: Point, c: Point): boolean {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0;
}

/** Whether two sights are of one body: the landmarks that both are sure of coincide. */
export function sameBody(one: Landmarks, other: Landmarks): boolean {
  const all = one.pixels.map((_, i) => i);
  const sure = all.filter((i) => one.visibility[i]! >= SURE && other.visibility[i]! >= SURE);
  const told = sure.length < LEAST_SURE ? all : sure;
  return apart(one.pixels, other.pixels, told) < SAME_BODY;
}

/** Whether a find is what is left to see of somebody who is painted over. */
export function isLeftOver(pixels: readonly Point[], held: readonly Point[]): boolean {
  const body = Array.from({ length: BODY_TO - BODY_FROM }, (_, i) => BODY_FROM + i);
  return apart(pixels, held, body) < 2 * SAME_BODY;
}

/** The mean distance of these landmarks, in torsos of the bigger of the two. */
function apart(one: readonly Point[], other: readonly Point[], at: readonly number[]): number {
  const sum = at.reduce((total, i) => {
    const [a, b] = [one[i]!, other[i]!];
    return total + Math.hypot(a[0] - b[0], a[1] - b[1]);
  }, 0);
  return sum / at.length / Math.max(torsoSize(one), torsoSize(other));
}
