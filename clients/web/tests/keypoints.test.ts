import { describe, expect, test, vi } from "vitest";
import {
  boxSize,
  distance,
  type Landmarks,
  MIRROR,
  NUM_LANDMARKS,
  torsoSize,
} from "../src/keypoints/body";
import { Continuity } from "../src/keypoints/continuity";
import { type Point, searchWindows, Window } from "../src/keypoints/crops";
import { coverOf, hullOf, isLeftOver, sameBody } from "../src/keypoints/cover";
import type { Landmarker } from "../src/keypoints/follower";
import { keypointsMessage, pingMessage } from "../src/keypoints/message";
import { People } from "../src/keypoints/people";
import { Scout } from "../src/keypoints/scout";

const WIDTH = 640;
const HEIGHT = 480;
const FRAME_US = 33_333;

/** Somebody who stands at (x, y), 200 px tall: left of the body is right in the picture. */
function person(x = 320, y = 240, turned = false): Landmarks {
  const side = (i: number) => (i === 0 ? 0 : i % 2 ? 1 : -1) * (turned ? -1 : 1);
  const pixels = Array.from({ length: NUM_LANDMARKS }, (_, i): Point => [
    x + 30 * side(i) * (i < 11 ? 0.3 : 1),
    y - 100 + (i * 200) / 32,
  ]);
  return {
    pixels,
    visibility: pixels.map(() => 0.9),
    world: pixels.map(([px, py]) => [(px - x) / 120, (py - y) / 120, 0] as const),
  };
}

test("mirroring twice gives every landmark back, and only the nose is its own", () => {
  expect(MIRROR.map((other) => MIRROR[other])).toEqual(MIRROR.map((_, i) => i));
  expect(MIRROR.filter((other, i) => other === i)).toEqual([0]);
  expect([MIRROR[1], MIRROR[9], MIRROR[11], MIRROR[31]]).toEqual([4, 10, 12, 32]);
});

describe("windows", () => {
  test("the search covers the picture with the windows that the server uses", () => {
    const windows = searchWindows(WIDTH, HEIGHT);
    expect(windows).toHaveLength(69);
    expect(windows[0]).toEqual(new Window(0, 0, 400));
    expect(windows.at(-1)!.side).toBeCloseTo(156.25);
    expect(Math.max(...windows.map(({ x, side }) => x + side))).toBeCloseTo(WIDTH);
  });

  test("a window goes a share of the way, its edge on a logarithmic scale", () => {
    const half = new Window(0, 0, 100).toward(new Window(100, 0, 400), 0.5);
    expect(half.side).toBeCloseTo(200);
    expect(half.centre[0]).toBeCloseTo(175);
  });
});

describe("continuity", () => {
  test("somebody who stands still stays where they are", () => {
    const continuity = new Continuity();
    for (let k = 1; k < 10; k++) {
      const { pixels } = continuity.join(person(), k * FRAME_US);
      expect(Math.abs(pixels[11]![0] - person().pixels[11]![0])).toBeLessThan(1e-9);
    }
  });

  test("sides that swap for a frame are swapped back", () => {
    const continuity = new Continuity();
    for (let k = 1; k < 15; k++) continuity.join(person(), k * FRAME_US);
    const { pixels } = continuity.join(person(320, 240, true), 15 * FRAME_US);
    expect(pixels[11]![0]).toBeCloseTo(person().pixels[11]![0], 0);
  });

  test("jitter is halved", () => {
    const continuity = new Continuity();
    const steps: number[] = [];
    let last = 0;
    for (let k = 1; k < 60; k++) {
      const { pixels } = continuity.join(person(320 + (k % 2 ? 1 : -1)), k * FRAME_US);
      steps.push(Math.abs(pixels[0]![0] - last));
      last = pixels[0]![0];
    }
    expect(Math.max(...steps.slice(20))).toBeLessThan(1);
  });

  test("after half a second nothing is joined", () => {
    const continuity = new Continuity();
    continuity.join(person(), FRAME_US);
    const later = continuity.join(person(340), FRAME_US + 600_000);
    expect(later.pixels).toEqual(person(340).pixels);
  });
});

/** Who is in a fake picture; a fake landmarker sees whom a window holds whole and large enough. */
type Scene = readonly Landmarks[];

class FakeLandmarker implements Landmarker<Scene> {
  looks = 0;
  private followed: Point | null = null; // middle of whom it saw last

  async look(
    there: Scene,
    { x, y, side }: Window,
    others: readonly (readonly Point[])[],
    afresh: boolean,
  ): Promise<Landmarks | null> {
    this.looks++;
    if (afresh) this.followed = null;
    const middleOf = (pixels: readonly Point[]) => pixels[16]!;
    const seen = there.filter(
      ({ pixels }) =>
        side < 3.5 * boxSize(pixels) &&
        pixels.every(([px, py]) => px >= x && py >= y && px <= x + side && py <= y + side) &&
        !others.some((other) => distance(middleOf(other), middleOf(pixels)) < 60),
    );
    const near = ({ pixels }: Landmarks) =>
      this.followed ? distance(middleOf(pixels), this.followed) : 0;
    const nearest = seen.sort((a, b) => near(a) - near(b))[0] ?? null;
    this.followed = nearest && middleOf(nearest.pixels);
    return nearest;
  }
}

/** A stage of people with fake landmarkers, and the next frame's looks at it. */
function stageFor(limit: number) {
  const made = [new FakeLandmarker()];
  const make = async () => {
    made.push(new FakeLandmarker());
    return made.at(-1)!;
  };
  const people = new People<Scene>(made[0]!, make, limit);
  const count = () => made.reduce((sum, { looks }) => sum + looks, 0);
  let k = 0;
  const see = async (...there: Landmarks[]) => {
    const before = count();
    const picture = { picture: there, width: WIDTH, height: HEIGHT, tUs: ++k * FRAME_US };
    const seen = await people.see(picture);
    const looks = count() - before;
    await new Promise((resolve) => setTimeout(resolve)); // what is done aside gets its turn
    return { seen, looks, at: seen.map(({ pixels }) => Math.round(pixels[0]![0])) };
  };
  return { see, made };
}

test("who is found is followed with one look a frame, and searched for once lost", async () => {
  const { see } = stageFor(1);
  expect(await see()).toMatchObject({ seen: [], looks: 4 }); // the whole and three small windows
  expect((await see(person())).seen).toHaveLength(1);
  expect((await see(person(330))).looks).toBe(1);
  expect(await see()).toMatchObject({ seen: [], looks: 4 }); // the last place, around, the whole
  expect((await see()).looks).toBe(4);
});

test("an unlikely person is not taken", async () => {
  const doubtful = { ...person(), visibility: person().pixels.map(() => 0.1) };
  expect((await stageFor(1).see(doubtful)).seen).toEqual([]);
});

describe("several people", () => {
  const LEFT = person(160);
  const RIGHT = person(480);

  test("a second one is found beside the first, and both are followed", async () => {
    const { see, made } = stageFor(4);
    const counts: number[] = [];
    for (let k = 0; k < 20; k++) counts.push((await see(LEFT, RIGHT)).seen.length);
    expect(counts[0]).toBe(1);
    expect(counts.slice(10)).toEqual(Array.from({ length: 10 }, () => 2));
    const { at } = await see(LEFT, RIGHT);
    expect(at.sort((a, b) => a - b)).toEqual([160, 480]);
    expect(made.length).toBeLessThanOrEqual(3); // theirs and one to look for others
  });

  test("nobody looks for others where one is the limit", async () => {
    const { see, made } = stageFor(1);
    for (let k = 0; k < 20; k++) expect((await see(LEFT, RIGHT)).looks).toBeLessThanOrEqual(4);
    expect(made).toHaveLength(1);
  });

  test("looks for others are few, and none is taken for the one who is there", async () => {
    const { see, made } = stageFor(4);
    for (let k = 0; k < 90; k++) expect((await see(LEFT)).seen).toHaveLength(1);
    const [own, others] = made.map(({ looks }) => looks) as [number, number];
    for (let k = 0; k < 300; k++) expect((await see(LEFT)).at).toEqual([160]);
    expect(made[0]!.looks - own).toBe(300);
    expect(made[1]!.looks - others).toBeLessThanOrEqual(11); // in ten seconds
    expect(made[1]!.looks - others).toBeGreaterThanOrEqual(9);
  });

  test("who leaves is let go of, and found again when they come back", async () => {
    const { see, made } = stageFor(2);
    for (let k = 0; k < 20; k++) await see(LEFT, RIGHT);
    expect((await see(RIGHT)).at).toEqual([480]);
    for (let k = 0; k < 10; k++) expect((await see(RIGHT)).at).toEqual([480]);
    for (let k = 0; k < 15; k++) await see(LEFT, RIGHT);
    expect((await see(LEFT, RIGHT)).seen).toHaveLength(2);
    expect(made).toHaveLength(2);
  });

  test("of two who follow one body, one lets go", async () => {
    const { see } = stageFor(2);
    for (let k = 0; k < 20; k++) await see(LEFT, RIGHT);
    for (let x = 480; x > 160; x -= 40) await see(LEFT, person(x)); // comes up and goes behind
    expect((await see(LEFT)).at).toEqual([160]);
  });

  test("everybody is held when the picture gets larger", async () => {
    const made = [new FakeLandmarker(), new FakeLandmarker()];
    const people = new People<Scene>(made[0]!, async () => made[1]!, 2);
    const look = (there: Scene, factor: number, k: number) => {
      const size = { width: WIDTH * factor, height: HEIGHT * factor };
      return people.see({ picture: there, ...size, tUs: k * FRAME_US });
    };
    let count = 0;
    for (let k = 1; k < 20; k++) {
      count = (await look([LEFT, RIGHT], 1, k)).length;
      await new Promise((resolve) => setTimeout(resolve));
    }
    expect(count).toBe(2);
    const doubled = [LEFT, RIGHT].map((one) => ({
      ...one,
      pixels: one.pixels.map(([x, y]): Point => [2 * x, 2 * y]),
    }));
    const looks = made[0]!.looks + made[1]!.looks;
    expect(await look(doubled, 2, 20)).toHaveLength(2);
    expect(made[0]!.looks + made[1]!.looks - looks).toBe(2);
  });

  test("where no second landmarker can be made, the first person is still followed", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const people = new People<Scene>(
      new FakeLandmarker(),
      () => Promise.reject(new Error("no memory")),
      4,
    );
    for (let k = 1; k < 20; k++) {
      const size = { width: WIDTH, height: HEIGHT };
      expect(await people.see({ picture: [LEFT], ...size, tUs: k * FRAME_US })).toHaveLength(1);
    }
    expect(warn).toHaveBeenCalledTimes(1);
    warn.mockRestore();
  });
});

describe("painting", () => {
  test("the hull of points has the outer ones, in turn, and none within", () => {
    const square: Point[] = [
      [0, 0],
      [4, 0],
      [4, 4],
      [0, 4],
    ];
    const hull = hullOf([...square, [2, 2], [1, 3], [2, 0]]);
    expect(hull).toHaveLength(4);
    expect(new Set(hull.map(String))).toEqual(new Set(square.map(String)));
  });

  test("a cover lies in the crop where the person does, and is as thick as they are big", () => {
    const { pixels } = person(320, 240); // torso 48 px
    const window = new Window(160, 80, 320);
    const { hull, margin } = coverOf(pixels, window);
    const zoom = 560 / 320;
    const xs = hull.map(([x]) => x);
    const ys = hull.map(([, y]) => y);
    expect(Math.min(...xs)).toBeCloseTo((290 - 160) * zoom);
    expect(Math.max(...xs)).toBeCloseTo((350 - 160) * zoom);
    expect(Math.min(...ys)).toBeCloseTo((140 - 80) * zoom);
    expect(Math.max(...ys)).toBeCloseTo((340 - 80) * zoom);
    expect(margin).toBeCloseTo(0.35 * torsoSize(pixels) * zoom);
    const near = coverOf(pixels, new Window(160, 80, 160));
    expect(near.margin).toBeCloseTo(2 * margin);
  });

  test("somebody far beyond the window is painted no further than a few crops away", () => {
    const { hull } = coverOf(person(1e6, -1e6).pixels, new Window(0, 0, 10));
    expect(Math.max(...hull.flat().map(Math.abs))).toBeLessThanOrEqual(5 * 560);
  });

  test("bodies are one when they coincide, and two when half a torso is between them", () => {
    expect(sameBody(person(320), person(325))).toBe(true);
    expect(sameBody(person(320), person(320 + torsoSize(person().pixels) / 2))).toBe(false);
    expect(isLeftOver(person(320).pixels, person(340).pixels)).toBe(true);
    expect(isLeftOver(person(320).pixels, person(400).pixels)).toBe(false);
  });
});

describe("the scout", () => {
  const SECOND = 1_000_000;
  const look = (scout: Scout, tUs: number) =>
    scout.nextWindow(WIDTH, HEIGHT, tUs, [person().pixels]);
  const looks = (scout: Scout, fromS: number, toS: number) => {
    const windows: Window[] = [];
    for (let tUs = fromS * SECOND; tUs < toS * SECOND; tUs += FRAME_US) {
      const window = look(scout, tUs);
      if (window) windows.push(window);
    }
    return windows;
  };

  test("looks often at first, then once a second", () => {
    const scout = new Scout();
    expect(looks(scout, 0, 2).length).toBeGreaterThanOrEqual(9);
    looks(scout, 2, 10);
    expect(looks(scout, 10, 30)).toHaveLength(20);
  });

  test("the whole picture comes every other time, windows fit the people there in between", () => {
    const windows = looks(new Scout(), 0, 30);
    const whole = Window.whole(WIDTH, HEIGHT);
    expect(windows.filter((_, i) => i % 2 === 0)).toEqual(
      windows.filter((_, i) => i % 2 === 0).map(() => whole),
    );
    const parts = windows.filter((_, i) => i % 2);
    expect(parts.every(({ side }) => side >= 1.3 * 200 - 1 && side <= 2.7 * 200)).toBe(true);
    expect(new Set(parts.map(({ x, y }) => `${x} ${y}`)).size).toBeGreaterThan(3);
  });

  test("where somebody was lost it looks at once and for two seconds, but not any longer", () => {
    const scout = new Scout();
    looks(scout, 0, 30);
    const { pixels } = person(500);
    scout.lose(pixels, 30 * SECOND);
    const place = Window.around(pixels, 1.6);
    const soon = looks(scout, 30, 32);
    expect(soon.length).toBeGreaterThanOrEqual(12);
    expect(soon.every((window) => window.x === place.x)).toBe(true);
    expect(looks(scout, 32.1, 40).some((window) => window.x === place.x)).toBe(false);
  });

  test("a clock that goes back stops nothing", () => {
    const scout = new Scout();
    looks(scout, 100, 130);
    expect(looks(scout, 0, 10).length).toBeGreaterThanOrEqual(9);
  });
});

test("a message has what docs/wire.md says, rounded", () => {
  const sighting = { tUs: 1_790_000_000_000_000, width: 640, height: 480, tookMs: 5 };
  const text = keypointsMessage(7, { ...sighting, people: [person(320.12345)] });
  const message = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys(message).sort()).toEqual(
    ["frame", "height", "persons", "t_capture_us", "type", "width"].sort(),
  );
  expect(message).toMatchObject({ type: "keypoints", frame: 7, t_capture_us: 1.79e15 });
  const [seen] = message["persons"] as [{ landmarks: number[][]; world: number[][] }];
  expect(seen.landmarks).toHaveLength(33);
  expect(seen.landmarks[0]).toEqual([320.12, 140, 0.9]);
  expect(text.length).toBeLessThan(4096);
  const nobody = JSON.parse(keypointsMessage(8, { ...sighting, people: [] })) as object;
  expect(nobody).toMatchObject({ frame: 8, persons: [] });
  const two = JSON.parse(keypointsMessage(9, { ...sighting, people: [person(), person(90)] })) as {
    persons: { landmarks: number[][] }[];
  };
  expect(two.persons.map(({ landmarks }) => landmarks[0]![0])).toEqual([320, 90]);
});

test("a ping tells when the last answer came, once there was one", () => {
  expect(pingMessage(5, null)).toBe('{"type":"ping","t0":5}');
  expect(pingMessage(6, 5)).toBe('{"type":"ping","t0":6,"t3":5}');
});
