/** Looks through a picture for a first person: as a whole, then window by window. */
import { searchWindows, Window } from "./crops";
import { type Follower, type Frame, nextWindow, type Sight } from "./follower";
import { FOUND, FOUND_IN_PART } from "./plausible";

const EAGER_LOOKS = 3; // small windows per frame in the first round of a search ...
const IDLE_LOOKS = 1; // ... and once a whole round found nobody
const CONFIRMING_LOOKS = 2; // that a person found in a small window must stand

/** Goes on from frame to frame. */
export class Search<Picture> {
  private round: Window[] = []; // windows still to look through
  private looks = EAGER_LOOKS;

  /** The next search is a new one. */
  start(): void {
    this.round = [];
    this.looks = EAGER_LOOKS;
  }

  /** Looks at the whole picture, then through the next small windows. */
  async find(follower: Follower<Picture>, frame: Frame<Picture>): Promise<Sight | null> {
    const { width, height } = frame;
    const whole = await follower.look(frame, Window.whole(width, height), FOUND);
    if (whole || follower.window) return whole; // just lost: search from the next frame
    for (const window of this.nextWindows(width, height)) {
      let seen = await follower.look(frame, window, FOUND_IN_PART);
      for (let i = 0; i < CONFIRMING_LOOKS && seen; i++)
        seen = await follower.look(frame, nextWindow(seen), FOUND_IN_PART);
      if (seen) return seen;
    }
    return null;
  }

  private nextWindows(width: number, height: number): Window[] {
    if (this.round.length === 0) this.round = searchWindows(width, height);
    const taken = this.round.splice(0, this.looks);
    if (this.round.length === 0) this.looks = IDLE_LOOKS;
    return taken;
  }
}
