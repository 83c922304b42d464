/** How tall people are, where somebody typed it; else their size is estimated. */

const SHORTEST = 0.5; // metres, standing; what the server takes
const TALLEST = 2.5;

/**
 * @param input where it is typed, in metres; empty: estimated.
 * @param endpoint what is published to; `height_m` in its query follows the input.
 * @param restart publishes anew, with what changed.
 */
export function askHeight(input: HTMLInputElement, endpoint: URL, restart: () => void): void {
  input.min = String(SHORTEST);
  input.max = String(TALLEST);
  input.value = endpoint.searchParams.get("height_m") ?? "";
  input.addEventListener("change", () => {
    if (!input.reportValidity()) return;
    if (input.value === "") endpoint.searchParams.delete("height_m");
    else endpoint.searchParams.set("height_m", input.value);
    restart();
  });
}
