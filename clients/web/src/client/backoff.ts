/** Waiting times between attempts: doubling from half a second to eight, a quarter of it random. */
export class Backoff {
  private attempt = 0;

  constructor(private readonly random: () => number = Math.random) {}

  nextMs(): number {
    const base = Math.min(8000, 500 * 2 ** this.attempt++);
    return Math.round(base * (0.875 + 0.25 * this.random()));
  }

  reset(): void {
    this.attempt = 0;
  }
}
