import { expect, test } from "vitest";
import { knownFieldOfView } from "../src/page/known-cameras";

test("a known webcam's angle follows its data sheet", () => {
  // Logitech gives the C920's horizontal angle too: 70.42 degrees.
  expect(knownFieldOfView("HD Pro Webcam C920 (046d:082d)", 1920, 1080)).toBeCloseTo(70.4, 1);
  expect(knownFieldOfView("Logitech Webcam C930e (046d:0843)", 1280, 720)).toBeCloseTo(82.1, 1);
});

test("4:3 shows less on either side and as much from top to bottom", () => {
  const wide = knownFieldOfView("HD Pro Webcam C920", 1280, 720) ?? Number.NaN;
  const narrow = knownFieldOfView("HD Pro Webcam C920", 640, 480) ?? Number.NaN;
  const half = (angle: number) => Math.tan((angle * Math.PI) / 360);
  expect(half(narrow) / half(wide)).toBeCloseTo(4 / 3 / (16 / 9), 6);
});

test("zoom narrows the angle", () => {
  const plain = knownFieldOfView("HD Pro Webcam C920", 1280, 720) ?? Number.NaN;
  const zoomed = knownFieldOfView("HD Pro Webcam C920", 1280, 720, 2) ?? Number.NaN;
  expect(Math.tan((zoomed * Math.PI) / 360)).toBeCloseTo(Math.tan((plain * Math.PI) / 360) / 2, 6);
});

test("nothing is claimed of a camera that isn't known, or of no picture", () => {
  for (const label of ["", "camera2 0, facing back", "FaceTime HD Camera", "BRIO (046d:085e)"])
    expect(knownFieldOfView(label, 1280, 720)).toBeNull();
  expect(knownFieldOfView("HD Pro Webcam C920", 0, 0)).toBeNull();
});
