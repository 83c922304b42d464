/** The One Euro filter (Casiez, Roussel, Vogel, CHI 2012) on points, speeds in body sizes. */
const MIN_CUTOFF = 2; // Hz, at rest
const BETA = 20; // Hz added per body size a second
const SPEED_CUTOFF = 3; // Hz, of the speed's own low-pass

export class OneEuro<P extends readonly number[]> {
  private value: P[] | null = null;
  private velocity: number[][] = [];

  /** Filters points; `size` is the body's size in their unit, `dt` in seconds. */
  smooth(points: readonly P[], size: number, dt: number): readonly P[] {
    if (this.value === null) {
      this.value = [...points];
      this.velocity = points.map((point) => point.map(() => 0));
      return points;
    }
    const speedShare = share(SPEED_CUTOFF, dt);
    this.value = this.value.map((before, i) => {
      const point = points[i]!;
      const velocity = this.velocity[i]!;
      before.forEach((old, axis) => {
        velocity[axis]! += ((point[axis]! - old) / dt - velocity[axis]!) * speedShare;
      });
      const part = share(MIN_CUTOFF + (BETA * Math.hypot(...velocity)) / size, dt);
      return before.map((old, axis) => old + part * (point[axis]! - old)) as unknown as P;
    });
    return this.value;
  }
}

/** The share of a new value that a low-pass of this cutoff (Hz) lets through. */
function share(cutoff: number, dt: number): number {
  return cutoff / (cutoff + 1 / (2 * Math.PI * dt));
}
