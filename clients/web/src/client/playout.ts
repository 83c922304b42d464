/**
 * Evens out arrival: poses go in as they come, and one comes out for any moment.
 *
 * It plays a delay behind the server's clock: the age that 95 of 100 recent poses had on arrival,
 * plus one interval, but never more than `maxDelayUs`. The delay changes by a tenth of real time at
 * most, so that motion is never seen to jump. After the newest pose the pelvis goes on with its
 * velocity for at most 100 ms. All times are µs on the server's clock.
 */
import { after, between } from "./interpolate.js";
import type { Pose } from "./pose.js";

const KEPT = 32;
const AGES = 64;
const AGE_SHARE = 0.95;
const MOST_EXTRAPOLATED_US = 100_000;
const LONGEST_INTERVAL_US = 100_000;
const RESTART_US = 1_000_000; // a clock that went back this far is another clock
const SNAP_US = 250_000;
const SLEW = 0.1;

export class Playout {
  private poses: Pose[] = [];
  private ages: number[] = [];
  private delay: number | null = null;
  private sampledUs = 0;

  /** @param maxDelayUs 0 always shows the newest pose, extrapolated to now. */
  constructor(public maxDelayUs = 150_000) {}

  /** How far behind the server's clock it plays now. */
  get delayUs(): number {
    return this.delay ?? 0;
  }

  clear(): void {
    this.poses = [];
    this.ages = [];
    this.delay = null;
  }

  /** Takes a pose that arrived now; one from before the newest is of no use. */
  push(pose: Pose, nowUs: number): void {
    const newest = this.poses.at(-1);
    if (newest && pose.captureUs <= newest.captureUs) {
      if (newest.captureUs - pose.captureUs < RESTART_US) return;
      this.clear();
    }
    this.poses.push(pose);
    if (this.poses.length > KEPT) this.poses.shift();
    this.ages.push(nowUs - pose.captureUs);
    if (this.ages.length > AGES) this.ages.shift();
  }

  /** The pose to show now; null if none has come yet. */
  sample(nowUs: number): Pose | null {
    if (this.poses.length === 0) return null;
    this.slewDelay(nowUs);
    return this.at(nowUs - this.delayUs);
  }

  private at(us: number): Pose | null {
    const next = this.poses.findIndex((pose) => pose.captureUs > us);
    if (next === 0) return this.poses[0] ?? null;
    const from = this.poses.at(next < 0 ? -1 : next - 1)!;
    const to = next < 0 ? null : this.poses[next]!;
    const since = us - from.captureUs;
    if (!to) return after(from, Math.min(since, MOST_EXTRAPOLATED_US));
    return between(from, to, since / (to.captureUs - from.captureUs));
  }

  private slewDelay(nowUs: number): void {
    const target = Math.max(0, Math.min(this.maxDelayUs, this.usualAge() + this.interval()));
    const step = SLEW * Math.max(0, nowUs - this.sampledUs);
    this.sampledUs = nowUs;
    const off = target - (this.delay ?? Number.POSITIVE_INFINITY);
    if (this.delay === null || Math.abs(off) > SNAP_US) this.delay = target;
    else this.delay += Math.max(-step, Math.min(step, off));
  }

  private usualAge(): number {
    const sorted = [...this.ages].sort((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * AGE_SHARE)] ?? 0;
  }

  private interval(): number {
    const first = this.poses[0];
    const last = this.poses.at(-1);
    if (!first || !last || first === last) return 0;
    return Math.min(
      LONGEST_INTERVAL_US,
      (last.captureUs - first.captureUs) / (this.poses.length - 1),
    );
  }
}
