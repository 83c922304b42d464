import { describe, expect, test } from "vitest";
import { type Landmarks, MIRROR, NUM_LANDMARKS } from "../src/keypoints/body";
import { Continuity } from "../src/keypoints/continuity";
import { type Point, searchWindows, Window } from "../src/keypoints/crops";
import { Follower, type Landmarker } from "../src/keypoints/follower";
import { keypointsMessage, pingMessage } from "../src/keypoints/message";

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

/** Sees who is there wherever the window holds them whole and large enough. */
class FakeLandmarker implements Landmarker<Landmarks | null> {
  looks = 0;

  look(there: Landmarks | null, { x, y, side }: Window): Landmarks | null {
    this.looks++;
    if (!there) return null;
    const whole = there.pixels.every(
      ([px, py]) => px >= x && py >= y && px <= x + side && py <= y + side,
    );
    return whole && side < 700 ? there : null;
  }

  forget(): void {
    // nothing is followed in here
  }
}

test("who is found is followed with one look a frame, and searched for once lost", () => {
  const landmarker = new FakeLandmarker();
  const follower = new Follower(landmarker);
  const see = (there: Landmarks | null, k: number) => {
    const before = landmarker.looks;
    const seen = follower.see(there, WIDTH, HEIGHT, k * FRAME_US);
    return { seen, looks: landmarker.looks - before };
  };
  expect(see(null, 1)).toEqual({ seen: null, looks: 4 }); // the whole and three small windows
  expect(see(person(), 2).seen).not.toBeNull();
  expect(see(person(330), 3).looks).toBe(1);
  expect(see(null, 4)).toEqual({ seen: null, looks: 4 }); // the last place, around, the whole
  expect(see(null, 5).looks).toBe(4);
});

test("an unlikely person is not taken", () => {
  const doubtful = { ...person(), visibility: person().pixels.map(() => 0.1) };
  const follower = new Follower(new FakeLandmarker());
  expect(follower.see(doubtful, WIDTH, HEIGHT, FRAME_US)).toBeNull();
});

test("a message has what docs/wire.md says, rounded", () => {
  const sighting = { tUs: 1_790_000_000_000_000, width: 640, height: 480, tookMs: 5 };
  const text = keypointsMessage(7, { ...sighting, person: person(320.12345) });
  const message = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys(message).sort()).toEqual(
    ["frame", "height", "persons", "t_capture_us", "type", "width"].sort(),
  );
  expect(message).toMatchObject({ type: "keypoints", frame: 7, t_capture_us: 1.79e15 });
  const [seen] = message["persons"] as [{ landmarks: number[][]; world: number[][] }];
  expect(seen.landmarks).toHaveLength(33);
  expect(seen.landmarks[0]).toEqual([320.12, 140, 0.9]);
  expect(text.length).toBeLessThan(4096);
  const nobody = JSON.parse(keypointsMessage(8, { ...sighting, person: null })) as object;
  expect(nobody).toMatchObject({ frame: 8, persons: [] });
});

test("a ping tells when the last answer came, once there was one", () => {
  expect(pingMessage(5, null)).toBe('{"type":"ping","t0":5}');
  expect(pingMessage(6, 5)).toBe('{"type":"ping","t0":6,"t3":5}');
});
