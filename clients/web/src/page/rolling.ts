/** The last few seconds of a measured value, for its median and 95th percentile. */
export class Rolling {
  private values: number[] = [];
  private next = 0;

  constructor(private readonly capacity = 90) {}

  add(value: number): void {
    this.values[this.next] = value;
    this.next = (this.next + 1) % this.capacity;
  }

  clear(): void {
    this.values = [];
    this.next = 0;
  }

  /** Nearest-rank percentile, `share` in 0..1; null while nothing was measured. */
  percentile(share: number): number | null {
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
  }
}
