/** The record button: starts and stops a take of the page's stream. */
import type { GenmoApi, Take } from "../client/api";
import { element } from "./element";

export class Recorder {
  private readonly button = element<HTMLButtonElement>("record");
  private readonly text = element("record-text");
  private take: Take | null = null;
  private busy = false;

  constructor(
    private readonly api: GenmoApi,
    private readonly stream: string,
    /** A recording began or ended. */
    private readonly onChange: () => Promise<void>,
    private readonly onError: (what: string, error: unknown) => void,
  ) {
    this.button.addEventListener("click", () => void this.press());
  }

  /** Takes up what the server says of this stream: another page may have pressed the button. */
  follow(takes: readonly Take[]): void {
    this.take = takes.find(({ recording, stream }) => recording && stream === this.stream) ?? null;
    this.show();
  }

  /** @param live whether there is something to record. */
  allow(live: boolean): void {
    this.button.dataset["live"] = String(live);
    this.show();
  }

  private async press(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.show();
    const { take } = this;
    try {
      if (take) await this.api.stopTake(take);
      else await this.api.startTake(this.stream);
    } catch (error) {
      this.onError(take ? "The recording can't be stopped" : "Nothing is recorded", error);
    }
    this.busy = false;
    await this.onChange();
    this.show();
  }

  private show(): void {
    const { take, button } = this;
    const live = button.dataset["live"] === "true";
    button.disabled = this.busy || (!take && !live);
    button.dataset["recording"] = String(take !== null);
    button.setAttribute("aria-pressed", String(take !== null));
    const said = take ? `Stop ${minutes(take.seconds)}` : "Record";
    if (this.text.textContent !== said) this.text.textContent = said;
  }
}

export function minutes(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
