import { expect, test } from "vitest";
import { ServerClock } from "../src/client/server-clock";

test("nothing is known before the first answer", () => {
  expect(new ServerClock().offsetUs).toBeNull();
});

test("the offset comes from the ping with the shortest way", () => {
  const clock = new ServerClock();
  // The server is 1,000,000 µs ahead; the slow ping's way back took 80 ms longer.
  clock.add(0, 1_040_000, 1_040_100, 160_100);
  clock.add(200_000, 1_202_000, 1_202_500, 204_500);
  expect(clock.offsetUs).toBe(1_000_000);
  expect(clock.roundTripMs).toBe(4);
});

test("an answer from before the question, after a clock change, is left out", () => {
  const clock = new ServerClock();
  clock.add(5_000_000, 1_000, 1_100, 10_000);
  expect(clock.offsetUs).toBeNull();
});
