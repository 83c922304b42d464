/** How much later poses may come to be better: told to the server when publishing. */

const TICK_MS = 1000 / 30;
const OFFERED = ["0", "2", "4", "8"]; // ticks; the server takes every number up to 8

/**
 * Fills the choice, and publishes anew when it changes.
 *
 * @param choice where it is made; it shows what the address asks for.
 * @param endpoint what is published to; `delay` in its query follows the choice.
 */
export function offerLookahead(choice: HTMLSelectElement, endpoint: URL, restart: () => void) {
  const asked = endpoint.searchParams.get("delay") ?? "0";
  const offered = OFFERED.includes(asked) ? OFFERED : [...OFFERED, asked];
  choice.replaceChildren(...offered.map((ticks) => new Option(lookaheadName(ticks), ticks)));
  choice.value = asked;
  choice.addEventListener("change", () => {
    endpoint.searchParams.set("delay", choice.value);
    restart();
  });
}

export function lookaheadName(ticks: number | string): string {
  const ms = Math.round(Number(ticks) * TICK_MS);
  return ms === 0 ? "none" : `${ms} ms`;
}
