import { expect, test } from "vitest";
import {
  cameraAxes,
  CameraMotion,
  deviceToWorld,
  encodeSample,
  type Facing,
  multiply,
  type Orientation,
} from "../src/client/device-motion";

const UPRIGHT: Orientation = { alpha: 0, beta: 90, gamma: 0 }; // held before one's face
const SECOND = 1_000_000;

/** The sample between two orientations 0.1 s apart. */
function between(from: Orientation, to: Orientation, facing: Facing, angle = 0) {
  const motion = new CameraMotion(facing);
  expect(motion.step(from, angle, SECOND)).toBeNull();
  const sample = motion.step(to, angle, SECOND + 100_000);
  if (!sample) throw new Error("no sample");
  return sample;
}

function close(vector: readonly number[], expected: readonly number[]) {
  vector.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 4));
}

test("axes are right-handed", () => {
  for (const facing of ["user", "environment"] as const)
    for (const angle of [0, 90, 180, 270]) {
      const [a, b, c] = cameraAxes(facing, angle);
      const det =
        a[0] * (b[1] * c[2] - b[2] * c[1]) -
        a[1] * (b[0] * c[2] - b[2] * c[0]) +
        a[2] * (b[0] * c[1] - b[1] * c[0]);
      expect(det).toBeCloseTo(1, 9);
    }
});

test("gravity points down in the picture of a phone held upright, front and back", () => {
  for (const facing of ["user", "environment"] as const)
    close(between(UPRIGHT, UPRIGHT, facing).gravity, [0, 9.80665, 0]);
});

test("gravity points down in the picture of a phone held across, whichever way", () => {
  // Turned counterclockwise the left edge is down, and the page is turned by 90 degrees.
  const left: Orientation = { alpha: 0, beta: 0, gamma: -90 };
  const right: Orientation = { alpha: 0, beta: 0, gamma: 90 };
  for (const facing of ["user", "environment"] as const) {
    close(between(left, left, facing, 90).gravity, [0, 9.80665, 0]);
    close(between(right, right, facing, 270).gravity, [0, 9.80665, 0]);
  }
});

test("a back camera that points at the floor sees gravity ahead", () => {
  const flat: Orientation = { alpha: 0, beta: 0, gamma: 0 };
  close(between(flat, flat, "environment").gravity, [0, 0, 9.80665]);
  close(between(flat, flat, "user").gravity, [0, 0, -9.80665]);
});

test("a camera that pans to the right turns about +y, one that tilts up about +x", () => {
  // Clockwise from above: alpha falls. That pans both cameras to their right.
  const turned: Orientation = { ...UPRIGHT, alpha: 350 };
  const rate = (10 * Math.PI) / 180 / 0.1;
  close(between(UPRIGHT, turned, "environment").rotationRate, [0, rate, 0]);
  close(between(UPRIGHT, turned, "user").rotationRate, [0, rate, 0]);
  // The back camera looks up as the phone's top comes towards the person.
  const tilted: Orientation = { ...UPRIGHT, beta: 100 };
  close(between(UPRIGHT, tilted, "environment").rotationRate, [rate, 0, 0]);
  close(between(UPRIGHT, tilted, "user").rotationRate, [-rate, 0, 0]);
});

test("rates over uneven steps add up to the whole turn", () => {
  const motion = new CameraMotion("environment");
  let turned = 0;
  let before = 0;
  for (const [ms, degrees] of [
    [0, 0],
    [16, 2],
    [40, 7],
    [55, 8],
    [90, 15],
  ] as const) {
    const sample = motion.step({ ...UPRIGHT, alpha: 360 - degrees }, 0, SECOND + 1000 * ms);
    if (sample) turned += (sample.rotationRate[1] * (ms - before)) / 1000;
    before = ms;
  }
  expect(turned).toBeCloseTo((15 * Math.PI) / 180, 6);
});

test("nothing is told of a gap, nor of times that don't go on", () => {
  const motion = new CameraMotion("user");
  motion.step(UPRIGHT, 0, SECOND);
  expect(motion.step(UPRIGHT, 0, SECOND)).toBeNull();
  expect(motion.step({ ...UPRIGHT, alpha: 90 }, 0, 3 * SECOND)).toBeNull();
  expect(motion.step({ ...UPRIGHT, alpha: 90 }, 0, 3 * SECOND + 16_000)).not.toBeNull();
});

test("a sample is what the server reads", () => {
  const text = encodeSample({ tUs: 1.6, gravity: [0, 9.80665, 0], rotationRate: [1, 0, 1e-9] });
  expect(JSON.parse(text)).toEqual({
    type: "sensor",
    t_capture_us: 2,
    gravity: [0, 9.80665, 0],
    rotation_rate: [1, 0, 0],
  });
});

test("the world's up is the device's z when it lies on a table", () => {
  const [, , up] = multiply(deviceToWorld({ alpha: 30, beta: 0, gamma: 0 }), [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ]);
  close(up, [0, 0, 1]);
});
