import { expect, test } from "vitest";
import { ColourSlots } from "../src/page/colour-slots";

const COLOURS = 4;

test("who comes back has their colour again, and nobody else had it meanwhile", () => {
  const slots = new ColourSlots();
  expect([slots.enter(1, COLOURS), slots.enter(2, COLOURS)]).toEqual([0, 1]);
  slots.leave(1);
  expect(slots.enter(3, COLOURS)).toBe(2);
  expect(slots.enter(1, COLOURS)).toBe(0);
  expect([slots.of(1), slots.of(2), slots.of(3)]).toEqual([0, 1, 2]);
});

test("once every colour was worn, one of those who left is given away", () => {
  const slots = new ColourSlots();
  for (const person of [1, 2, 3, 4]) slots.enter(person, COLOURS);
  slots.leave(2);
  slots.leave(3);
  expect(slots.enter(5, COLOURS)).toBe(1);
  expect(slots.enter(2, COLOURS)).toBe(2); // theirs is taken, and 3 is not back
  expect(slots.enter(3, COLOURS)).toBe(4);
});

test("after the stream everybody starts anew", () => {
  const slots = new ColourSlots();
  slots.enter(1, COLOURS);
  slots.leave(1);
  slots.forget();
  expect(slots.enter(2, COLOURS)).toBe(0);
});
