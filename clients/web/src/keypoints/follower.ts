/**
 * One landmarker on one person: looks through windows, follows crop by crop until they're lost, as
 * stream/genmo_stream/keypoints/follower.py does on the server.
 */
import type { Landmarks } from "./body";
import { Continuity } from "./continuity";
import { type Point, Window } from "./crops";
import { FOLLOWED, FOUND, isPerson } from "./plausible";

const CROP_FACTOR = 2.2; // edge of the followed window over the person's box
const CROP_SHARE = 0.35; // of the way that the window goes to the person's box, per look
export const WIDER = 1.6; // the window around a lost person's last place

/** One MediaPipe landmarker in video mode, on windows of one picture after the other. */
export interface Landmarker<Picture> {
  /**
   * Follows the person of the last look if there was one, else runs the detector.
   *
   * The picture is not needed any more once the promise is there.
   *
   * @param others landmarks of people who are painted over.
   * @param afresh lets go of the person of the last look.
   */
  look(
    picture: Picture,
    window: Window,
    others: readonly (readonly Point[])[],
    afresh: boolean,
  ): Promise<Landmarks | null>;
}

/** A picture, its size in pixels and its capture time in microseconds. */
export interface Frame<Picture> {
  picture: Picture;
  width: number;
  height: number;
  tUs: number;
}

/** Somebody as seen through one window. */
export interface Sight {
  window: Window;
  landmarks: Landmarks;
}

export class Follower<Picture> {
  /** Where the person is followed, null while nobody is. */
  window: Window | null = null;
  private continuity = new Continuity();
  private holds = false; // the landmarker follows somebody ...
  private stale = false; // ... who isn't wanted

  constructor(private readonly landmarker: Landmarker<Picture>) {}

  async look(
    { picture, width, height }: Frame<Picture>,
    window: Window,
    leastVisible: number,
    others: readonly (readonly Point[])[] = [],
  ): Promise<Sight | null> {
    const afresh = this.stale;
    this.stale = false;
    const landmarks = await this.landmarker.look(picture, window, others, afresh);
    this.holds = landmarks !== null;
    if (!landmarks) return null;
    if (isPerson(landmarks, width, height, leastVisible)) return { window, landmarks };
    this.stale = true;
    return null;
  }

  /** Looks where the person was; if they're gone, the detector looks there and around. */
  async follow(frame: Frame<Picture>): Promise<Sight | null> {
    const { window } = this;
    if (!window) return null;
    return (
      (await this.look(frame, window, FOLLOWED)) ??
      (await this.look(frame, window, FOUND)) ??
      (await this.look(frame, window.scaled(WIDER), FOUND))
    );
  }

  /** Goes on from a sight; its landmarks, joined to those before. */
  keep(seen: Sight, tUs: number): Landmarks {
    this.window = nextWindow(seen);
    return this.continuity.join(seen.landmarks, tUs);
  }

  /** The picture has `factor` times the resolution from now on. */
  rescale(factor: number): void {
    this.window = this.window?.rescaled(factor) ?? null;
    this.continuity = new Continuity();
  }

  /** Lets go: the next look runs the detector, and nobody's past is joined to. */
  forget(): void {
    this.stale = this.holds;
    this.window = null;
    this.continuity = new Continuity();
  }
}

/** Where to look in the next frame: towards a window that fits the person's box. */
export function nextWindow({ window, landmarks }: Sight): Window {
  return window.toward(Window.around(landmarks.pixels, CROP_FACTOR), CROP_SHARE);
}
