/** What goes to `/v1/streams/{stream}/keypoints`: docs/wire.md. */
import type { Sighting } from "./watcher";

/** One frame's landmarks as JSON text: hundredths of a pixel, thousandths of visibility. */
export function keypointsMessage(frame: number, { tUs, width, height, person }: Sighting): string {
  const landmarks = person?.pixels.map(([x, y], i) => [
    round(x, 100),
    round(y, 100),
    round(person.visibility[i] ?? 0, 1000),
  ]);
  const world = person?.world.map((point) => point.map((value) => round(value, 1000)));
  const persons = person ? [{ landmarks, world }] : [];
  return JSON.stringify({ type: "keypoints", frame, t_capture_us: tUs, width, height, persons });
}

/** Asks for the server's clock, and tells when the last answer came. */
export function pingMessage(t0: number, t3: number | null): string {
  return JSON.stringify(t3 === null ? { type: "ping", t0 } : { type: "ping", t0, t3 });
}

function round(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
