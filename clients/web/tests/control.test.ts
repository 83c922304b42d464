import { expect, test } from "vitest";
import { parseControl } from "../src/client/control";
import { WireError } from "../src/client/wire-error";
import { json, text } from "./golden";

test("the golden control messages are understood", () => {
  const stats = json<{ fps_in: number; fps_out: number; dropped: number }>("control/stats.json");
  expect(parseControl(text("control/stats.json"))).toEqual({
    type: "stats",
    fpsIn: stats.fps_in,
    fpsOut: stats.fps_out,
    dropped: stats.dropped,
  });
  const subject = json<{ person: number; shape: number[] }>("control/subject.smpl.json");
  expect(parseControl(text("control/subject.smpl.json"))).toEqual({
    type: "subject",
    person: subject.person,
    state: "enter",
    shape: subject.shape,
  });
  for (const type of ["hello", "stream", "pong", "error", "bye"])
    expect(parseControl(text(`control/${type}.json`))?.type).toBe(type);
});

test("messages that this client has no use for, and unknown ones, are skipped", () => {
  expect(parseControl(text("control/skeleton.smpl.json"))).toBeNull();
  expect(parseControl('{"type":"weather","sky":"blue"}')).toBeNull();
});

test.each([
  ["another frame of reference", { space: "unity" }, /unity/],
  ["another protocol", { proto: "genmo.v2" }, /genmo\.v2/],
])("a hello that announces %s is refused", (_, change, reason) => {
  const hello = { ...json<object>("control/hello.json"), ...change };
  expect(() => parseControl(JSON.stringify(hello))).toThrow(reason);
});

test.each([
  ["no JSON", "{"],
  ["no object", "[1]"],
  ["null", "null"],
  ["no type", "{}"],
  ["a state nobody knows", '{"type":"stream","state":"asleep"}'],
  ["text for a number", '{"type":"pong","t0":"1","t1":2,"t2":3}'],
  ["a shape of words", '{"type":"subject","state":"enter","person":0,"shape":["a"]}'],
])("%s is refused", (_, message) => {
  expect(() => parseControl(message)).toThrow(WireError);
});
