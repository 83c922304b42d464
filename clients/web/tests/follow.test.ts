import { Vector3 } from "three";
import { expect, test } from "vitest";
import { followStep, LOOK_AT_M } from "../src/page/follow";

const STANDING = 0.95;

/** Where the view looks after following a pelvis through `seconds` at `fps`. */
function follow(path: (t: number) => Vector3, seconds: number, fps: number): Vector3 {
  const target = new Vector3(0, LOOK_AT_M, 0);
  for (let frame = 1; frame <= seconds * fps; frame++)
    target.add(followStep(target, path(frame / fps), 1 / fps));
  return target;
}

test("a person who sways and crouches leaves the view in peace", () => {
  const sway = (t: number) => new Vector3(0.15 * Math.sin(t), STANDING - 0.2, 0);
  expect(follow(sway, 5, 30)).toEqual(new Vector3(0, LOOK_AT_M, 0));
});

test.each([30, 8])("a person who walks stays in view at %i poses a second", (fps) => {
  const walk = (t: number) => new Vector3(1.3 * t, STANDING, 0);
  const target = follow(walk, 4, fps);
  expect(Math.abs(1.3 * 4 - target.x)).toBeLessThan(0.6);
});

test("a person on a roof is looked up to", () => {
  const target = follow(() => new Vector3(0, 3.5, 0), 2, 30);
  expect(Math.abs(3.5 - target.y)).toBeLessThan(0.35);
});
