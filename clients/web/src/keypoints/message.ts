/** What goes to `/v1/streams/{stream}/keypoints`: docs/wire.md. */
import type { Sighting } from "./watcher";

/** One frame's landmarks as JSON text: hundredths of a pixel, thousandths of visibility. */
export function keypointsMessage(frame: number, sighting: Sighting): string {
  const { tUs, width, height, people } = sighting;
  const persons = people.map(({ pixels, visibility, world }) => ({
    landmarks: pixels.map(([x, y], i) => [
      round(x, 100),
      round(y, 100),
      round(visibility[i] ?? 0, 1000),
    ]),
    world: world.map((point) => point.map((value) => round(value, 1000))),
  }));
  return JSON.stringify({ type: "keypoints", frame, t_capture_us: tUs, width, height, persons });
}

/** Asks for the server's clock, and tells when the last answer came. */
export function pingMessage(t0: number, t3: number | null): string {
  return JSON.stringify(t3 === null ? { type: "ping", t0 } : { type: "ping", t0, t3 });
}

function round(value: number, steps: number): number {
  return Math.round(value * steps) / steps;
}
