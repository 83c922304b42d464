import { expect, test } from "vitest";
import { parseControl } from "../src/client/control";
import { decodePose } from "../src/client/protocol";
import { WireError } from "../src/client/wire-error";
import { bytes, names, text } from "./golden";

const SEED = 20261122;
const SECONDS = Number(process.env["GENMO_FUZZ_S"] ?? 3);
const HOSTILE = [0, 1, 7, 8, 0x7f, 0x80, 0xff];

/** Mulberry32: the same numbers at every run. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Calls `once` with numbers below a bound until the time is over; how often. */
function fuzz(once: (below: (bound: number) => number) => void): number {
  const next = random(SEED);
  const until = performance.now() + (1000 * SECONDS) / 2;
  let runs = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 100; i++, runs++) once((bound) => Math.floor(next() * bound));
  }
  return runs;
}

test("a damaged pose is refused or has nothing but finite numbers", { timeout: 60_000 }, () => {
  const whole = ["poses", "accepted", "malformed"].flatMap((folder) =>
    names(folder)
      .filter((name) => name.endsWith(".bin"))
      .map((name) => bytes(`${folder}/${name}`)),
  );
  const runs = fuzz((below) => {
    const picked = new Uint8Array(whole[below(whole.length)]!);
    const frame = new Uint8Array(below(4) ? picked.length : below(picked.length + 64));
    frame.set(picked.subarray(0, frame.length));
    for (let change = below(6); change > 0 && frame.length > 0; change--)
      frame[below(below(2) ? Math.min(frame.length, 64) : frame.length)] = below(2)
        ? below(256)
        : HOSTILE[below(HOSTILE.length)]!;
    try {
      for (const person of decodePose(frame.buffer).persons) {
        expect(person.rotations).toHaveLength(96);
        expect(person.rotations.every(Number.isFinite)).toBe(true);
      }
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  });
  expect(runs).toBeGreaterThan(0);
});

test("a damaged control message is refused or understood", { timeout: 60_000 }, () => {
  const whole = names("control").map((name) => text(`control/${name}`));
  const scraps = ['"', "{", "}", "[", "]", "null", "1e999", "-", ",", "\\u0000", '"type"', "0"];
  const runs = fuzz((below) => {
    let message = whole[below(whole.length)]!;
    for (let change = 1 + below(3); change > 0; change--) {
      const at = below(message.length + 1);
      message = message.slice(0, at) + scraps[below(scraps.length)] + message.slice(at + below(8));
    }
    try {
      parseControl(message);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  });
  expect(runs).toBeGreaterThan(0);
});
