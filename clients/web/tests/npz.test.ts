import { zipSync } from "three/examples/jsm/libs/fflate.module.js";
import { expect, test } from "vitest";
import { readNpz } from "../src/page/npz";
import { TakeTrack } from "../src/page/take-track";

/** An array as numpy 1.0's .npy. */
function npy(kind: string, shape: number[], raw: ArrayBufferLike): Uint8Array {
  const listed = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const said = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${listed}), }`;
  const header = said.padEnd(117) + "\n";
  const head = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0);
  return Uint8Array.from([...head, ...new TextEncoder().encode(header), ...new Uint8Array(raw)]);
}

/** Two ticks, a second apart, of somebody who turns by a quarter and walks a metre. */
function take(): Record<string, Uint8Array> {
  const poses = new Float32Array(2 * 72);
  poses[72 + 1] = Math.PI / 2;
  const joints = new Float32Array(2 * 72);
  for (const [joint, y] of [
    [1, 0.8],
    [4, 0.45],
    [7, 0.05],
  ] as const)
    joints[3 * joint + 1] = y;
  return {
    "poses.npy": npy("<f4", [2, 72], poses.buffer),
    "trans.npy": npy("<f8", [2, 3], Float64Array.of(0, 0, 0, 1, 0, 0).buffer),
    "pelvis_rest.npy": npy("<f4", [3], Float32Array.of(0, 1, 0).buffer),
    "contacts.npy": npy("<f4", [2, 6], new Float32Array(12).fill(0.5).buffer),
    "confidence.npy": npy("<f4", [2], Float32Array.of(1, 0).buffer),
    "t_capture_us.npy": npy("<i8", [2], BigInt64Array.of(5_000_000n, 6_000_000n).buffer),
    "shape.npy": npy("<f4", [10], new Float32Array(10).buffer),
    "joints.npy": npy("<f4", [2, 24, 3], joints.buffer),
    "body.npy": npy("<U7", [1], new ArrayBuffer(28)),
  };
}

test("numbers are read by name and shape, and text is left out", () => {
  const arrays = readNpz(zipSync(take()));
  expect(arrays.get("poses")?.shape).toEqual([2, 72]);
  expect([...arrays.get("t_capture_us")!.values]).toEqual([5_000_000n, 6_000_000n]);
  expect(arrays.has("body")).toBe(false);
});

test("a take's person stands, halfway between two ticks, halfway between", () => {
  const track = TakeTrack.read(zipSync(take()));
  const pose = track.at(5_500_000)!;
  expect([...pose.pelvis]).toEqual([0.5, 1, 0]);
  expect(pose.rotations[1]).toBeCloseTo(Math.sin(Math.PI / 8), 5);
  expect(track.proportions.legM).toBeCloseTo(0.75, 5);
  expect(track.at(5_000_000)?.state).toBe("tracked");
  expect(track.at(6_000_000)?.state).toBe("occluded");
  expect(track.at(6_000_001)).toBeNull();
});

test("a file without poses is refused by name", () => {
  const { "poses.npy": _, ...rest } = take();
  expect(() => TakeTrack.read(zipSync(rest))).toThrow(/no poses/);
});
