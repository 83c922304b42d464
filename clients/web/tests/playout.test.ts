import { describe, expect, test } from "vitest";
import { between } from "../src/client/interpolate";
import { Playout } from "../src/client/playout";
import type { Pose } from "../src/client/pose";
import { decodePose } from "../src/client/protocol";
import { bytes } from "./golden";

const START_US = 1_790_000_000_000_000;
const FRAME_US = 33_333;
const golden = decodePose(bytes("poses/right_hand_up.smpl.bin"));

/** Somebody who walks along x with a metre a second. */
function pose(frame: number, change: Partial<Pose> = {}): Pose {
  const captureUs = START_US + frame * FRAME_US;
  const persons = golden.persons.map((person) => ({
    ...person,
    pelvis: Float32Array.of((frame * FRAME_US) / 1e6, 0.97, -3),
    velocity: Float32Array.of(1, 0, 0),
  }));
  return {
    ...golden,
    seq: frame,
    frame,
    captureUs,
    publishUs: captureUs + 25_000,
    persons,
    ...change,
  };
}

function x(shown: Pose | null): number {
  return shown?.persons[0]?.pelvis[0] ?? Number.NaN;
}

test("poses that arrive unevenly are played evenly", () => {
  const playout = new Playout();
  const arrivals = Array.from({ length: 120 }, (_, frame) => ({
    pose: pose(frame),
    // 40 ms, and up to 30 more that come and go without a pattern
    us: START_US + frame * FRAME_US + 40_000 + ((frame * 7919) % 30) * 1000,
  }));
  const shown: number[] = [];
  for (let us = START_US + 2_000_000; us < START_US + 3_500_000; us += 16_667) {
    while (arrivals[0] && arrivals[0].us <= us) {
      const arrival = arrivals.shift()!;
      playout.push(arrival.pose, arrival.us);
    }
    shown.push(x(playout.sample(us)));
  }
  const steps = shown.slice(1).map((value, i) => value - shown[i]!);
  // A tenth is what the delay may change by; the rest is float32.
  for (const step of steps.slice(60)) expect(Math.abs(step - 0.016667)).toBeLessThan(0.0018);
});

test("it plays the usual age and one interval behind, and not more than it may", () => {
  const playout = new Playout();
  for (let frame = 0; frame < 40; frame++)
    playout.push(pose(frame), START_US + frame * FRAME_US + 50_000);
  playout.sample(START_US + 40 * FRAME_US);
  expect(playout.delayUs).toBeCloseTo(50_000 + FRAME_US, -1);
  const slow = new Playout(20_000);
  slow.push(pose(0), START_US + 900_000);
  slow.sample(START_US + 900_000);
  expect(slow.delayUs).toBe(20_000);
});

test("after the newest pose the pelvis goes on for a tenth of a second and then stands", () => {
  const playout = new Playout(0);
  playout.push(pose(0), START_US);
  expect(x(playout.sample(START_US + 60_000))).toBeCloseTo(0.06, 5);
  expect(x(playout.sample(START_US + 900_000))).toBeCloseTo(0.1, 5);
});

test("a pose from before the newest is of no use, and a clock set back starts anew", () => {
  const playout = new Playout(0);
  playout.push(pose(5), START_US);
  playout.push(pose(3), START_US);
  expect(playout.sample(START_US + 5 * FRAME_US)?.seq).toBe(5);
  playout.push(pose(-100), START_US);
  expect(playout.sample(START_US - 100 * FRAME_US)?.seq).toBe(-100);
});

describe("between two poses", () => {
  test("rotations take the short way and stay rotations", () => {
    const to = pose(1);
    to.persons = to.persons.map((person) => ({
      ...person,
      rotations: person.rotations.map((value) => -value), // the same rotations
    }));
    const middle = between(pose(0), to, 0.5).persons[0]!.rotations;
    for (let i = 0; i < middle.length; i += 4) {
      expect(Math.hypot(...middle.slice(i, i + 4))).toBeCloseTo(1, 5);
      const cosine = [0, 1, 2, 3].reduce(
        (sum, k) => sum + middle[i + k]! * golden.persons[0]!.rotations[i + k]!,
        0,
      );
      expect(Math.abs(cosine)).toBeCloseTo(1, 5);
    }
  });

  test("a quarter turn is half done in the middle", () => {
    const turned = (degrees: number) => {
      const half = (degrees * Math.PI) / 360;
      const made = pose(0);
      made.persons[0]!.rotations = made.persons[0]!.rotations.slice();
      made.persons[0]!.rotations.set([0, Math.sin(half), 0, Math.cos(half)], 0);
      return made;
    };
    const middle = between(turned(0), turned(90), 0.5).persons[0]!.rotations;
    expect(middle[1]).toBeCloseTo(Math.sin(Math.PI / 8), 5);
  });

  test("who comes is not there yet, and who leaves stays until then", () => {
    const [alone] = pose(0).persons;
    const other = { ...alone!, person: 99 };
    const before = pose(0, { persons: [alone!] });
    const later = pose(1, { persons: [other] });
    expect(between(before, later, 0.9).persons.map(({ person }) => person)).toEqual([7]);
  });
});
