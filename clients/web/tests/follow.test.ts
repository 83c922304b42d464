import { Vector3 } from "three";
import { describe, expect, test } from "vitest";
import { fitDistance, followStep, LOOK_AT_M, zoomStep } from "../src/page/follow";

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

describe("how far away everybody is seen", () => {
  const target = new Vector3(0, LOOK_AT_M, 0);
  const ahead = new Vector3(0, 0, 1);
  const fit = (...hips: Vector3[]) => fitDistance(hips, target, ahead, 0.5, 1);
  const near = fit(new Vector3(0, STANDING, 0));

  test("goes by who is nearest to an edge, or to the camera", () => {
    expect(near).toBeCloseTo(2.3);
    expect(fit(new Vector3(0, STANDING + 1, 0))).toBeCloseTo(near + 2);
    expect(fit(new Vector3(0, STANDING, 0), new Vector3(0, STANDING, 1.5))).toBeCloseTo(near + 1.5);
    expect(fit(new Vector3(-2, STANDING, 0), new Vector3(2, STANDING, 0))).toBeCloseTo(5.6);
  });

  test("is taken soon, and given up slowly", () => {
    const after = (needed: number, seconds: number) => {
      let distance = 4;
      for (let frame = 0; frame < 30 * seconds; frame++)
        distance *= zoomStep(distance, needed, 1 / 30);
      return distance;
    };
    expect(after(8, 1)).toBeGreaterThan(7.5);
    expect(after(2, 1)).toBeGreaterThan(2.7);
    expect(after(2, 5)).toBeLessThan(2.6);
    expect(after(4.1, 5)).toBe(4);
  });
});
