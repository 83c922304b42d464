/**
 * Undoes swaps of left and right, as stream/genmo_stream/keypoints/continuity.py does.
 *
 * With the face hidden the model takes front for back for up to half a second at a time, and seen
 * from the side it swaps the legs. Nobody turns around between two frames, so a frame in which
 * swapped landmarks fit the last ones much better is swapped back.
 */
import { distance, middle, MIRROR, NUM_LANDMARKS } from "./body";
import type { Point } from "./crops";

const SWAP_RATIO = 0.5; // sides are swapped when that halves the step from the last frame ...
const SWAP_STEP = 0.04; // ... and shortens it by this much of the person's box per landmark
const DOUBT_SPEED = 3; // box sizes per second, mean: faster than people move
const MAX_DOUBT_S = 0.25; // how long frames may be doubted
const MAX_TRUST_S = 0.7; // how long the model may contradict the sides held so far

const UPPER_BODY = Array.from({ length: 23 }, (_, i) => i);
const LOWER_BODY = Array.from({ length: NUM_LANDMARKS - 23 }, (_, i) => 23 + i);

export interface Sides {
  /** Which of the model's landmarks to take for each landmark. */
  order: number[];
  /** Where the landmarks fit the last frame neither way. */
  doubtful: boolean[];
}

export class SideGuard {
  private readonly halves = [new HalfGuard(UPPER_BODY), new HalfGuard(LOWER_BODY)];

  /** Compares a frame with the ones before; `size` in pixels, `dt` in seconds. */
  check(pixels: readonly Point[], size: number, dt: number): Sides {
    const order = pixels.map((_, i) => i);
    const doubtful = pixels.map(() => false);
    for (const half of this.halves) {
      const { swapped, doubt } = half.check(pixels, size, dt);
      for (const i of half.landmarks) {
        doubtful[i] = doubt;
        if (swapped) order[i] = MIRROR[i]!;
      }
    }
    return { order, doubtful };
  }
}

class HalfGuard {
  private last: Point[] | null = null;
  private swapped = false;
  private trustS = 0;
  private doubtS = 0;

  constructor(readonly landmarks: readonly number[]) {}

  check(pixels: readonly Point[], size: number, dt: number): { swapped: boolean; doubt: boolean } {
    // about their own middle: a runner crosses the picture fast, but turns around no faster
    const [mx, my] = middle(this.landmarks.map((i) => pixels[i]!));
    const about = ([x, y]: Point): Point => [x - mx, y - my];
    const plain = this.landmarks.map((i) => about(pixels[i]!));
    const mirrored = this.landmarks.map((i) => about(pixels[MIRROR[i]!]!));
    let doubt = false;
    if (this.last) {
      const [held, other] = this.swapped ? [mirrored, plain] : [plain, mirrored];
      let step = meanStep(held, this.last);
      const otherStep = meanStep(other, this.last);
      if (otherStep < SWAP_RATIO * step && step - otherStep > SWAP_STEP * size) {
        this.swapped = !this.swapped;
        step = otherStep;
      }
      this.doubtS += dt;
      doubt = step > DOUBT_SPEED * this.doubtS * size && this.doubtS < MAX_DOUBT_S;
      this.trustS = Math.min(this.trustS + (this.swapped ? -dt : dt), MAX_TRUST_S);
      if (this.trustS < 0) {
        this.swapped = false;
        this.trustS = 0;
      }
    }
    if (!doubt) {
      this.last = this.swapped ? mirrored : plain;
      this.doubtS = 0;
    }
    return { swapped: this.swapped, doubt };
  }
}

function meanStep(points: readonly Point[], last: readonly Point[]): number {
  return points.reduce((sum, point, i) => sum + distance(point, last[i]!), 0) / points.length;
}
