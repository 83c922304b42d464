/**
 * Several people found and followed, each by a landmarker of their own: as
 * stream/genmo_stream/keypoints/people.py does on the server, but simpler.
 *
 * - Followed: one look per person and frame, all at once.
 * - Nobody followed: the search for a first person, on every frame.
 * - Somebody followed and room for more: a look now and then, the followed people painted over,
 *   where the scout says. No frame waits for it. Who is found must stand some looks.
 * - Two landmarkers on one body: the one that came later lets go. Who is who, the server knows.
 * - A landmarker takes a second to make, so the next one is made beforehand, aside.
 */
import type { Landmarks } from "./body";
import { isLeftOver, sameBody } from "./cover";
import type { Point, Window } from "./crops";
import { Follower, type Frame, type Landmarker, type Sight } from "./follower";
import { FOUND } from "./plausible";
import { Scout } from "./scout";
import { Search } from "./search";

const CONFIRMING_LOOKS = 3; // that somebody found beside others must stand before they are told of

interface Held<Picture> {
  follower: Follower<Picture>;
  /** Where they were seen last. */
  pixels: readonly Point[];
  /** That they must still stand. */
  looks: number;
}

interface Find<Picture> {
  follower: Follower<Picture>;
  seen: Sight;
  tUs: number;
  width: number;
}

export class People<Picture> {
  private width = 0;
  private height = 0;
  private held: Held<Picture>[] = [];
  private readonly spare: Follower<Picture>[]; // who follow nobody
  private aside = false; // a landmarker is being made, or looks for others
  private find: Find<Picture> | null = null;
  private readonly search = new Search<Picture>();
  private readonly scout = new Scout();

  /**
   * @param first the first person's landmarker.
   * @param make makes another one.
   * @param limit people followed at once.
   */
  constructor(
    first: Landmarker<Picture>,
    private readonly make: () => Promise<Landmarker<Picture>>,
    private limit: number,
  ) {
    this.spare = [new Follower(first)];
  }

  /** Everybody in the next picture, longest followed first. */
  async see(frame: Frame<Picture>): Promise<Landmarks[]> {
    this.adoptSize(frame);
    this.takeFind(frame);
    const seen = await this.followAll(frame);
    if (this.held.length === 0) return this.lookForAnybody(frame);
    this.lookForOthers(frame);
    return seen;
  }

  /** Keeps hold of people when the picture's resolution changes. */
  private adoptSize({ width, height }: Frame<Picture>): void {
    if (width === this.width && height === this.height) return;
    const factor = Math.max(width, height) / Math.max(this.width, this.height);
    for (const held of this.held) {
      held.follower.rescale(factor);
      held.pixels = held.pixels.map(([x, y]) => [x * factor, y * factor]);
    }
    this.width = width;
    this.height = height;
    this.search.start();
    this.scout.rescale();
  }

  /** Goes on from who was found beside others since the last picture. */
  private takeFind(frame: Frame<Picture>): void {
    const { find } = this;
    if (!find) return;
    this.find = null;
    const { pixels } = find.seen.landmarks;
    if (find.width !== frame.width || this.held.some((held) => isLeftOver(pixels, held.pixels))) {
      find.follower.forget();
      this.spare.push(find.follower);
    } else this.hold(find.follower, find.seen, find.tUs, CONFIRMING_LOOKS);
  }

  private async lookForAnybody(frame: Frame<Picture>): Promise<Landmarks[]> {
    const follower = this.spare.pop(); // who lost somebody last
    if (!follower) return [];
    const seen = await this.search.find(follower, frame);
    if (!seen) {
      follower.window = null;
      this.spare.push(follower);
      return [];
    }
    this.search.start(); // anew, once everybody is lost
    this.scout.found();
    return [this.hold(follower, seen, frame.tUs, 0)];
  }

  /** One look per person; who is lost, or still must stand, isn't among them. */
  private async followAll(frame: Frame<Picture>): Promise<Landmarks[]> {
    const sights = await Promise.all(this.held.map((held) => glimpse(held, frame)));
    const before = this.held;
    this.held = [];
    const bodies: Landmarks[] = [];
    const people: Landmarks[] = [];
    for (const [i, held] of before.entries()) {
      const seen = sights[i];
      if (!seen || bodies.some((body) => sameBody(body, seen.landmarks))) {
        this.letGo(held, frame.tUs, seen !== null);
        continue;
      }
      this.held.push(held);
      bodies.push(seen.landmarks);
      held.pixels = seen.landmarks.pixels;
      const joined = held.follower.keep(seen, frame.tUs);
      if (held.looks === 0) people.push(joined);
      else if (--held.looks === 0) this.scout.found();
    }
    return people;
  }

  private hold(follower: Follower<Picture>, seen: Sight, tUs: number, looks: number): Landmarks {
    this.held.push({ follower, pixels: seen.landmarks.pixels, looks });
    return follower.keep(seen, tUs);
  }

  private letGo({ follower, pixels, looks }: Held<Picture>, tUs: number, elsewhere: boolean): void {
    if (looks === 0) this.scout.lose(pixels, tUs);
    if (elsewhere) follower.forget();
    this.spare.push(follower);
  }

  /** One look at where nobody is held, if it is time for one and there is room. */
  private lookForOthers(frame: Frame<Picture>): void {
    const room = this.held.length < this.limit && !this.find && !this.aside;
    if (!room || this.held.some(({ looks }) => looks > 0)) return;
    if (this.spare.length === 0) return this.doAside(this.makeSpare());
    const people = this.held.map(({ pixels }) => pixels);
    const window = this.scout.nextWindow(frame.width, frame.height, frame.tUs, people);
    if (window) this.doAside(this.lookAside(this.spare.pop()!, frame, window, people));
  }

  private async lookAside(
    follower: Follower<Picture>,
    frame: Frame<Picture>,
    window: Window,
    people: readonly (readonly Point[])[],
  ): Promise<void> {
    const seen = await follower.look(frame, window, FOUND, people);
    if (seen) this.find = { follower, seen, tUs: frame.tUs, width: frame.width };
    else this.spare.push(follower);
  }

  private async makeSpare(): Promise<void> {
    this.spare.push(new Follower(await this.make()));
  }

  /** No picture waits for it; where it fails, there is no room for more people. */
  private doAside(done: Promise<void>): void {
    this.aside = true;
    done
      .catch((error: unknown) => {
        console.warn("no more people can be followed here:", error);
        this.limit = this.held.length;
      })
      .finally(() => (this.aside = false));
  }
}

/** Where somebody is now; who still must stand has to be seen well. */
async function glimpse<Picture>(
  { follower, looks }: Held<Picture>,
  frame: Frame<Picture>,
): Promise<Sight | null> {
  const { window } = follower;
  if (looks === 0 || !window) return follower.follow(frame);
  const seen = await follower.look(frame, window, FOUND);
  return seen ?? follower.look(frame, window, FOUND); // by the detector
}
