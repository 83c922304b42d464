import { Bone } from "three";
import { expect, test } from "vitest";
import { NUM_JOINTS } from "../src/client/pose";
import { ContactShadow } from "../src/page/contact-shadow";

const LEFT_FOOT = 10;

/** All joints a metre above the floor at x = 2, z = −3, but for a left foot at `height`. */
function bones(height: number): Bone[] {
  return Array.from({ length: NUM_JOINTS }, (_, joint) => {
    const bone = new Bone();
    bone.position.set(2, 1, -3);
    if (joint === LEFT_FOOT) bone.position.set(2.4, height, -3.2);
    bone.updateMatrixWorld();
    return bone;
  });
}

test("the shadow is darkest under the foot on the floor, where the foot is", () => {
  const shadow = new ContactShadow();
  shadow.follow(bones(0.05), 1);
  const under = shadow.darknessAt(2.4, -3.2);
  expect(under).toBeGreaterThan(0.4);
  expect(shadow.darknessAt(2.4, -2.8)).toBeLessThan(under / 2);
  expect(shadow.darknessAt(1.6, -3.2)).toBeLessThan(under / 2);
});

test("a lifted foot's shadow fades", () => {
  const shadow = new ContactShadow();
  shadow.follow(bones(0.05), 1);
  const standing = shadow.darknessAt(2.4, -3.2);
  shadow.follow(bones(0.4), 1);
  expect(shadow.darknessAt(2.4, -3.2)).toBeLessThan(standing / 2);
});

test("there is no shadow far from the body", () => {
  const shadow = new ContactShadow();
  shadow.follow(bones(0.05), 1);
  expect(shadow.darknessAt(2, -1.95)).toBeLessThan(0.01);
  expect(shadow.darknessAt(9, 9)).toBe(0);
});
