/** MediaPipe's 33 landmarks of one person, and measures of them. */
import { box, type Point } from "./crops";

export const NUM_LANDMARKS = 33;

/** One person in one picture. */
export interface Landmarks {
  /** 33 places in the picture, pixels; they may lie outside of it. */
  readonly pixels: readonly Point[];
  /** 33 × 0..1: in the picture and not hidden. */
  readonly visibility: readonly number[];
  /** 33 places in metres: origin between the hips, x right, y down, z away. */
  readonly world: readonly (readonly [number, number, number])[];
}

const LEFT_RIGHT: readonly Point[] = [
  [1, 4],
  [2, 5],
  [3, 6],
  [7, 8],
  [9, 10],
  ...Array.from({ length: 11 }, (_, i): Point => [11 + 2 * i, 12 + 2 * i]),
];

/** MIRROR[i] is the landmark on the other side of the body (the nose is its own). */
export const MIRROR: readonly number[] = Array.from({ length: NUM_LANDMARKS }, (_, i) => {
  const pair = LEFT_RIGHT.find((sides) => sides.includes(i));
  return pair ? pair[0] + pair[1] - i : i;
});

export function distance(a: Point, b: Point): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

export function middle(points: readonly Point[]): Point {
  const sum = points.reduce(([x, y], point) => [x + point[0], y + point[1]] as const, [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

export function shoulderCentre(pixels: readonly Point[]): Point {
  return middle(pixels.slice(11, 13));
}

/** Shoulders to hips or shoulder to shoulder, whichever is longer, in pixels, at least 1. */
export function torsoSize(pixels: readonly Point[]): number {
  const length = distance(shoulderCentre(pixels), middle(pixels.slice(23, 25)));
  return Math.max(length, distance(pixels[11]!, pixels[12]!), 1);
}

/** The longer edge of the box around the landmarks, pixels, at least 1. */
export function boxSize(pixels: readonly Point[]): number {
  const { low, high } = box(pixels);
  return Math.max(high[0] - low[0], high[1] - low[1], 1);
}
