import { describe, expect, test } from "vitest";
import { JOINT_NAMES } from "../src/client/pose";
import { decodePose, encodeAck, encodePing, isPose } from "../src/client/protocol";
import { WireError } from "../src/client/wire-error";
import { bytes, type Expected, json, names } from "./golden";

const expected = json<Expected>("expected.json");
const accepted = json<Record<string, { why: string; persons: number[] }>>("accepted.json");

test("the joints have the protocol's names and order", () => {
  expect([...JOINT_NAMES]).toEqual(expected.names);
});

describe.each(Object.keys(expected.poses))("the golden pose %s", (name) => {
  const pose = decodePose(bytes(`poses/${name}.smpl.bin`));
  const said = json<{
    seq: number;
    frame: number;
    t_capture_us: number;
    t_publish_us: number;
    skeleton_rev: number;
    stages_ms: object;
    persons: { person: number; state: string; confidence: number; contacts: number[] }[];
  }>(`poses/${name}.smpl.json`);
  const values = expected.poses[name]?.values["smpl"];

  test("has the header of its JSON twin", () => {
    expect(pose).toMatchObject({
      seq: said.seq,
      frame: said.frame,
      captureUs: said.t_capture_us,
      publishUs: said.t_publish_us,
      skeletonRev: said.skeleton_rev,
      stagesMs: said.stages_ms,
    });
  });

  test("has the expected person", () => {
    const person = pose.persons[0];
    expect(pose.persons).toHaveLength(said.persons.length);
    expect(person?.person).toBe(said.persons[0]?.person);
    expect(person?.state).toBe(said.persons[0]?.state);
    expect(person?.confidence).toBeCloseTo(said.persons[0]?.confidence ?? Number.NaN, 5);
    closeTo(person?.contacts, said.persons[0]?.contacts, 0.003); // an eighth of a bit of 255
    closeTo(person?.pelvis, values?.pelvis, 1e-6);
    closeTo(person?.velocity, values?.velocity, 1e-6);
    closeTo(person?.rotations, values?.rotations.flat(), 1e-6);
  });
});

test.each(Object.entries(accepted))("%s is accepted", (name, { persons }) => {
  const pose = decodePose(bytes(`accepted/${name}`));
  expect(pose.persons.map((person) => person.person)).toEqual(persons);
});

test("the landmarks extension carries 33 points, and only when its option is set", () => {
  const said = json<{ persons: { landmarks: number[][] }[] }>("accepted/landmarks.json");
  const pose = decodePose(bytes("accepted/landmarks.bin"));
  closeTo(pose.persons[0]?.landmarks ?? undefined, said.persons[0]?.landmarks.flat(), 1e-6);
  expect(decodePose(bytes("poses/t_pose.smpl.bin")).persons[0]?.landmarks).toBeNull();
});

test.each(names("malformed"))("malformed/%s is refused", (name) => {
  expect(() => decodePose(bytes(`malformed/${name}`))).toThrow(WireError);
});

test("a frame cut at any byte is refused", () => {
  const whole = bytes("accepted/landmarks.bin");
  for (let length = 0; length < whole.byteLength; length++)
    expect(() => decodePose(whole.slice(0, length)), `${length} bytes`).toThrow(WireError);
});

test("a NaN among the landmarks is refused", () => {
  const frame = bytes("accepted/landmarks.bin");
  new DataView(frame).setFloat32(48 + 432 + 4, Number.NaN, true);
  expect(() => decodePose(frame)).toThrow(/NaN/);
});

test("another type of frame is no pose and no error", () => {
  expect(isPose(bytes("malformed/type.bin"))).toBe(false);
  expect(isPose(bytes("poses/t_pose.smpl.bin"))).toBe(true);
});

test("an ack has the golden bytes", () => {
  expect(new Uint8Array(encodeAck(41))).toEqual(new Uint8Array(bytes("client/ack.bin")));
});

test("a ping has the golden fields", () => {
  expect(JSON.parse(encodePing(1234567))).toEqual(json("client/ping.json"));
});

function closeTo(
  values: ArrayLike<number> | undefined,
  wanted: readonly number[] | undefined,
  tolerance: number,
) {
  expect(wanted).toBeDefined();
  expect(values?.length).toBe(wanted?.length);
  wanted?.forEach((value, i) => {
    expect(Math.abs((values?.[i] ?? Number.NaN) - value), `value ${i}`).toBeLessThan(tolerance);
  });
}
