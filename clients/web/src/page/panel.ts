/** The measurements: latency as a whole and by stage, rates, drops and the person's state. */
import type { CaptureClock, Stats } from "../client/control";
import type { PersonState } from "../client/pose";
import { type LatencyLedger, type Stage, STAGES } from "./latency-ledger";
import { element } from "./element";
import { lookaheadName } from "./lookahead";

const STAGE_NAMES: Record<Stage, string> = {
  decode: "Decode",
  keypoints: "2D pose",
  model: "Motion",
  waiting: "Waiting",
  delivery: "To screen",
};
export const PERSON_NAMES: Record<PersonState, string> = {
  lost: "lost",
  warmup: "starting",
  tracked: "tracked",
  occluded: "hidden in part",
  generated: "filled in",
};

export interface Measurements {
  ledger: LatencyLedger;
  stats: Stats | null;
  /** The first one's state. */
  person: PersonState | null;
  /** How many are there. */
  persons: number;
  captureClock: CaptureClock | null;
  /** Ticks by which poses come later. */
  delay: number | null;
}

export class Panel {
  private readonly latency = element("latency");
  private readonly caption = element("latency-caption");
  private readonly spread = element("latency-spread");
  private readonly fpsIn = element("fps-in");
  private readonly fpsOut = element("fps-out");
  private readonly dropped = element("dropped");
  private readonly person = element("person");
  private readonly delay = element("delay");
  private readonly bars = new Map<Stage, HTMLElement>();
  private readonly times = new Map<Stage, HTMLElement>();

  constructor() {
    const stages = element("stages");
    const legend = element("legend");
    for (const stage of STAGES) {
      const bar = document.createElement("span");
      bar.dataset["stage"] = stage;
      stages.append(bar);
      this.bars.set(stage, bar);
      const row = document.createElement("div");
      const name = document.createElement("dt");
      name.dataset["stage"] = stage;
      name.textContent = STAGE_NAMES[stage];
      const time = document.createElement("dd");
      row.append(name, time);
      legend.append(row);
      this.times.set(stage, time);
    }
  }

  show({ ledger, stats, person, persons, captureClock, delay }: Measurements): void {
    const p95 = ledger.totalMs(0.95);
    put(this.latency, whole(ledger.totalMs(0.5)));
    // Arrival times say nothing about how long the picture travelled to the server.
    const arrival = p95 !== null && captureClock === "arrival";
    put(this.caption, arrival ? "arrival to screen" : "camera to screen");
    put(this.spread, p95 === null ? "" : `95 % under ${whole(p95)} ms`);
    for (const stage of STAGES) {
      const ms = ledger.stageMs(stage);
      const bar = this.bars.get(stage);
      if (bar) bar.style.flexGrow = String(Math.round((ms ?? 0) * 10) / 10);
      const time = this.times.get(stage);
      if (time) put(time, ms === null ? "–" : ms < 9.95 ? ms.toFixed(1) : whole(ms));
    }
    put(this.fpsIn, stats ? `${stats.fpsIn.toFixed(0)} fps` : "–");
    const busy = stats?.rung === "half" ? ", server busy" : "";
    put(this.fpsOut, stats ? `${stats.fpsOut.toFixed(0)} fps${busy}` : "–");
    put(this.dropped, stats ? String(stats.dropped) : "–");
    const several = `${persons} people`;
    put(this.delay, delay === null ? "–" : lookaheadName(delay));
    put(this.person, persons > 1 ? several : person ? PERSON_NAMES[person] : "–");
  }
}

function whole(value: number | null): string {
  return value === null ? "–" : String(Math.round(value));
}

function put(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
