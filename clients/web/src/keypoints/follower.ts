/**
 * Finds a person, follows them crop by crop, searches when they're lost: as
 * stream/genmo_stream/keypoints/mediapipe.py does on the server.
 */
import type { Landmarks } from "./body";
import { Continuity } from "./continuity";
import { searchWindows, Window } from "./crops";
import { FOLLOWED, FOUND, FOUND_IN_PART, isPerson } from "./plausible";

const CROP_FACTOR = 2.2; // edge of the followed window over the person's box
const CROP_SHARE = 0.35; // of the way that the window goes to the person's box, per look
const WIDER = 1.6; // the window around a lost person's last place
const EAGER_LOOKS = 3; // small windows per frame in the first round of a search ...
const IDLE_LOOKS = 1; // ... and once a whole round found nobody
const CONFIRMING_LOOKS = 2; // that a person found in a small window must stand

/** One MediaPipe landmarker in video mode, on windows of one picture after the other. */
export interface Landmarker<Picture> {
  /** Follows the person of the last call if there was one, else runs the detector. */
  look(picture: Picture, window: Window): Landmarks | null;
  /** Lets go of the person being followed. */
  forget(): void;
}

interface Sight {
  window: Window;
  landmarks: Landmarks;
}

export class Follower<Picture> {
  private width = 0;
  private height = 0;
  private continuity = new Continuity();
  private window: Window | null = null; // where the person is followed
  private round: Window[] = []; // the search's windows still to look through
  private looks = EAGER_LOOKS;

  constructor(private readonly landmarker: Landmarker<Picture>) {}

  /** The person in the next picture, null when nobody is seen; `tUs` is its capture time. */
  see(picture: Picture, width: number, height: number, tUs: number): Landmarks | null {
    this.adoptSize(width, height);
    const seen = this.follow(picture) ?? this.find(picture);
    if (!seen) {
      this.window = null;
      return null;
    }
    this.window = next(seen);
    this.startSearch(); // anew, once the person is lost
    return this.continuity.join(seen.landmarks, tUs);
  }

  private startSearch(): void {
    this.round = [];
    this.looks = EAGER_LOOKS;
  }

  /** Keeps hold of the person when the picture's resolution changes. */
  private adoptSize(width: number, height: number): void {
    if (width === this.width && height === this.height) return;
    const factor = Math.max(width, height) / Math.max(this.width, this.height);
    if (this.window) {
      const { x, y, side } = this.window;
      this.window = new Window(x * factor, y * factor, side * factor);
    }
    this.width = width;
    this.height = height;
    this.continuity = new Continuity();
    this.startSearch();
  }

  private follow(picture: Picture): Sight | null {
    if (!this.window) return null;
    return (
      this.look(picture, this.window, FOLLOWED) ??
      this.look(picture, this.window, FOUND) ??
      this.look(picture, this.window.scaled(WIDER), FOUND)
    );
  }

  /** Looks at the whole picture, then through the next small windows. */
  private find(picture: Picture): Sight | null {
    const whole = this.look(picture, Window.whole(this.width, this.height), FOUND);
    if (whole || this.window) return whole; // just lost: search from the next frame
    for (const window of this.nextWindows()) {
      let seen = this.look(picture, window, FOUND_IN_PART);
      for (let i = 0; i < CONFIRMING_LOOKS && seen; i++)
        seen = this.look(picture, next(seen), FOUND_IN_PART);
      if (seen) return seen;
    }
    return null;
  }

  private nextWindows(): Window[] {
    if (this.round.length === 0) this.round = searchWindows(this.width, this.height);
    const taken = this.round.splice(0, this.looks);
    if (this.round.length === 0) this.looks = IDLE_LOOKS;
    return taken;
  }

  private look(picture: Picture, window: Window, leastVisible: number): Sight | null {
    const landmarks = this.landmarker.look(picture, window);
    if (!landmarks) return null;
    if (isPerson(landmarks, this.width, this.height, leastVisible)) return { window, landmarks };
    this.landmarker.forget();
    return null;
  }
}

/** Where to look in the next frame: towards a window that fits the person's box. */
function next({ window, landmarks }: Sight): Window {
  return window.toward(Window.around(landmarks.pixels, CROP_FACTOR), CROP_SHARE);
}
