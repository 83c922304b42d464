/**
 * When and where to look for others than those who are followed, at a bounded price: as
 * stream/genmo_stream/keypoints/scout.py, less what it knows of clothes and of changes in the scene.
 */
import { boxSize } from "./body";
import { type Point, searchWindows, Window } from "./crops";
import { WIDER } from "./follower";

const LOOKS_PER_S = 1; // of capture time: what searching may cost
const SAVED_LOOKS = 3; // for later, when there was no time for one
const START_LOOKS = 10; // once somebody is found, as often there are others
const APART_US = 150_000; // between looks
const WHOLE_EVERY = 2; // of the looks goes to the whole picture
const SIZES: Point = [1.3, 2.7]; // windows to look through, in box sizes of who is followed

const SOON_US = 2_000_000; // so long the place of somebody lost is looked at, at no price

interface Lost {
  pixels: readonly Point[];
  atUs: number;
}

export class Scout {
  private looks = START_LOOKS;
  private filledUs: number | null = null;
  private lookedUs = Number.NEGATIVE_INFINITY;
  private lost: Lost[] = [];
  private round: Window[] = []; // windows still to look through by turns
  private turns = 0;

  /**
   * The window to look through in this frame; null: none.
   *
   * @param tUs the frame's capture time.
   * @param people landmarks of those who are followed, at least one.
   */
  nextWindow(
    width: number,
    height: number,
    tUs: number,
    people: readonly (readonly Point[])[],
  ): Window | null {
    this.fill(tUs);
    this.lost = this.lost.filter(({ atUs }) => tUs >= atUs && tUs - atUs <= SOON_US);
    if (tUs >= this.lookedUs && tUs - this.lookedUs < APART_US) return null;
    const lost = this.lost.shift();
    if (lost)
      this.lost.push(lost); // the next one's turn is next
    else if (this.looks < 1) return null;
    else this.looks--;
    this.lookedUs = tUs;
    return lost ? Window.around(lost.pixels, WIDER) : this.byTurns(width, height, people);
  }

  /** Somebody isn't seen any more. */
  lose(pixels: readonly Point[], tUs: number): void {
    this.lost.push({ pixels, atUs: tUs });
  }

  /** Somebody is there: more may come. */
  found(): void {
    this.looks = Math.max(this.looks, SAVED_LOOKS);
    this.lost = [];
  }

  /** The picture has another resolution from now on. */
  rescale(): void {
    this.lost = [];
    this.round = [];
  }

  private fill(tUs: number): void {
    const passedS = Math.max(0, tUs - (this.filledUs ?? tUs)) / 1e6;
    this.looks = Math.max(this.looks, Math.min(SAVED_LOOKS, this.looks + LOOKS_PER_S * passedS));
    this.filledUs = tUs;
  }

  /** The whole picture, and windows in which people about as big would be found. */
  private byTurns(width: number, height: number, people: readonly (readonly Point[])[]): Window {
    if (this.turns++ % WHOLE_EVERY === 0) return Window.whole(width, height);
    if (this.round.length === 0) {
      const sizes = people.map(boxSize).sort((a, b) => a - b);
      const size = sizes[sizes.length >> 1] ?? 0;
      const fits = ({ side }: Window) => side >= SIZES[0] * size && side <= SIZES[1] * size;
      this.round = searchWindows(width, height).filter(fits);
    }
    return this.round.shift() ?? Window.whole(width, height);
  }
}
