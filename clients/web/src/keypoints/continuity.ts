/**
 * Landmarks over time: left stays left, and jitter is smoothed without visible lag.
 *
 * As stream/genmo_stream/keypoints/continuity.py, so that what a browser sends is what the server
 * would have seen. Doubtful landmarks are held where they were, moved along with the rest, at low
 * confidence. It starts afresh after a gap, or when the landmarks are clearly somebody else's.
 */
import { boxSize, distance, type Landmarks, shoulderCentre, torsoSize } from "./body";
import type { Point } from "./crops";
import { OneEuro } from "./one-euro";
import { SideGuard } from "./side-guard";

const MAX_GAP_S = 0.5; // after a longer gap nothing is joined
const MAX_MOVE = 2; // torsos, from frame to frame
const MAX_GROWTH = 2;
const PERSON_M = 1.4; // shoulder to ankle, the size that the filter of the metres goes by
const DOUBT_CONFIDENCE = 0.25;

export class Continuity {
  private tUs = 0;
  private last: readonly Point[] | null = null; // as the model gave them
  private steady: Landmarks | null = null;
  private sides = new SideGuard();
  private smoothPixels = new OneEuro<Point>();
  private smoothWorld = new OneEuro<Landmarks["world"][number]>();

  /** Takes the next frame's landmarks, at its capture time in microseconds. */
  join(seen: Landmarks, tUs: number): Landmarks {
    const size = boxSize(seen.pixels);
    let gapS = (tUs - this.tUs) / 1e6;
    if (!this.last || !(gapS > 0 && gapS < MAX_GAP_S) || isElsewhere(seen.pixels, this.last)) {
      this.restart();
      gapS = MAX_GAP_S;
    }
    const { order, doubtful } = this.sides.check(seen.pixels, size, gapS);
    let pixels = order.map((i) => seen.pixels[i]!);
    let world = order.map((i) => seen.world[i]!);
    let visibility = order.map((i) => seen.visibility[i]!);
    const before = this.steady;
    if (before) {
      const sure = pixels.map((_, i) => i).filter((i) => !doubtful[i]);
      const moved = (axis: 0 | 1) =>
        median(sure.map((i) => pixels[i]![axis] - before.pixels[i]![axis]));
      const [dx, dy] = [moved(0), moved(1)];
      const held = before.pixels.map(([x, y]): Point => [x + dx, y + dy]);
      pixels = pixels.map((point, i) => (doubtful[i] ? held[i]! : point));
      world = world.map((point, i) => (doubtful[i] ? before.world[i]! : point));
      visibility = visibility.map((value, i) => (doubtful[i] ? DOUBT_CONFIDENCE * value : value));
    }
    this.last = seen.pixels;
    this.tUs = tUs;
    this.steady = {
      pixels: this.smoothPixels.smooth(pixels, size, gapS),
      visibility,
      world: this.smoothWorld.smooth(world, PERSON_M, gapS),
    };
    return this.steady;
  }

  private restart(): void {
    this.steady = null;
    this.sides = new SideGuard();
    this.smoothPixels = new OneEuro();
    this.smoothWorld = new OneEuro();
  }
}

/** Tells whether these are hardly the person of the last frame: another place or size. */
function isElsewhere(pixels: readonly Point[], last: readonly Point[]): boolean {
  const torso = torsoSize(pixels);
  const lastTorso = torsoSize(last);
  const moved = distance(shoulderCentre(pixels), shoulderCentre(last));
  const growth = Math.max(torso / lastTorso, lastTorso / torso);
  return moved > MAX_MOVE * Math.max(torso, lastTorso) || growth >= MAX_GROWTH;
}

function median(values: number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
