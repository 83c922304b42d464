/** The server's clock seen from here: the offset of the ping with the shortest way, of the last few. */
export class ServerClock {
  private samples: { offsetUs: number; roundTripUs: number }[] = [];

  /**
   * Takes one answered ping (NTP's four times, RFC 5905 section 8).
   *
   * @param t0 sent, local clock, µs. @param t1 received, server clock. @param t2 answered, server
   * clock. @param t3 answer received, local clock.
   */
  add(t0: number, t1: number, t2: number, t3: number): void {
    const roundTripUs = t3 - t0 - (t2 - t1);
    if (roundTripUs < 0) return; // the local clock was set back meanwhile
    this.samples.push({ offsetUs: (t1 - t0 + (t2 - t3)) / 2, roundTripUs });
    if (this.samples.length > 15) this.samples.shift();
  }

  /** Server minus local time in µs; null before the first answered ping. */
  get offsetUs(): number | null {
    return this.best?.offsetUs ?? null;
  }

  get roundTripMs(): number | null {
    const best = this.best;
    return best ? best.roundTripUs / 1000 : null;
  }

  reset(): void {
    this.samples = [];
  }

  private get best() {
    return this.samples.reduce<{ offsetUs: number; roundTripUs: number } | null>(
      (best, sample) => (best && best.roundTripUs <= sample.roundTripUs ? best : sample),
      null,
    );
  }
}

/** Unix time of this machine in µs, finer than Date.now(). */
export function localUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
