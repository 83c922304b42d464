import { expect, test } from "vitest";
import { parseControl } from "../src/client/control";
import { WireError } from "../src/client/wire-error";
import { json, text } from "./golden";

test("the golden control messages are understood", () => {
  const stats = json<{
    fps_in: number;
    fps_out: number;
    dropped: number;
    latency_ms: { p50: number; p95: number };
  }>("control/stats.json");
  expect(parseControl(text("control/stats.json"))).toEqual({
    type: "stats",
    fpsIn: stats.fps_in,
    fpsOut: stats.fps_out,
    dropped: stats.dropped,
    latencyMs: stats.latency_ms,
    rung: null,
  });
  const busy = JSON.stringify({ ...stats, type: "stats", rung: "half" });
  expect(parseControl(busy)).toMatchObject({ rung: "half" });
  const subject = json<{
    person: number;
    body: string;
    shape: number[];
    height_m: number;
    offsets: number[][];
  }>("control/subject.smpl.json");
  expect(parseControl(text("control/subject.smpl.json"))).toEqual({
    type: "subject",
    person: subject.person,
    state: "enter",
    body: subject.body,
    shape: subject.shape,
    heightM: subject.height_m,
    offsets: subject.offsets,
  });
  const skeleton = json<{ rev: number; joints: object[] }>("control/skeleton.smpl.json");
  expect(parseControl(text("control/skeleton.smpl.json"))).toEqual({
    type: "skeleton",
    rev: skeleton.rev,
    joints: skeleton.joints,
  });
  for (const type of ["hello", "stream", "pong", "error", "bye"])
    expect(parseControl(text(`control/${type}.json`))?.type).toBe(type);
});

test("how much later poses come is told with the stream's state, once it is known", () => {
  const stream = json<object>("control/stream.json");
  expect(parseControl(JSON.stringify(stream))).toMatchObject({ delay: null });
  expect(parseControl(JSON.stringify({ ...stream, delay: 4 }))).toMatchObject({ delay: 4 });
});

test("unknown messages are skipped", () => {
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
  ["a number too large to be one", '{"type":"pong","t0":1e999,"t1":2,"t2":3}'],
  ["a skeleton without joints", '{"type":"skeleton","rev":1,"joints":[]}'],
  [
    "a skeleton whose parents come later",
    JSON.stringify({
      type: "skeleton",
      rev: 1,
      joints: Array.from({ length: 24 }, () => ({ name: "a", parent: 5, offset: [0, 0, 0] })),
    }),
  ],
  ["a shape of words", '{"type":"subject","state":"enter","person":0,"shape":["a"]}'],
])("%s is refused", (_, message) => {
  expect(() => parseControl(message)).toThrow(WireError);
});
