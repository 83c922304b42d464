/** The control messages of `genmo.v1` that this client acts on, parsed and checked. */
import { Fields } from "./fields.js";
import { NUM_JOINTS } from "./pose.js";
import { WireError } from "./wire-error.js";

export type StreamState = "waiting" | "live" | "stalled" | "ended";

export type CaptureClock = "sender" | "arrival";

export interface Hello {
  type: "hello";
  server: string;
  stream: string;
  fps: number;
}

/** The joints that `rotations` turn; a new one when bones change. */
export interface Skeleton {
  type: "skeleton";
  rev: number;
  joints: { name: string; parent: number; offset: number[] }[];
}

export interface StreamMessage {
  type: "stream";
  state: StreamState;
  /** Where capture times come from; with "arrival" the network's share is not in the ledger. */
  captureClock: CaptureClock | null;
  fpsIn: number | null;
  /** Ticks by which poses come later than their frames; null before somebody published. */
  delay: number | null;
}

export interface Subject {
  type: "subject";
  person: number;
  state: "enter" | "update" | "leave";
  /** Whose coefficients `shape` are, as in "builtin"; "" when they leave. */
  body: string;
  /** The coefficients of the body in use. */
  shape: number[];
  heightM: number | null;
  /** (24) [x, y, z] metres from the parent's joint, at rest; empty when they leave. */
  offsets: number[][];
}

export interface Stats {
  type: "stats";
  fpsIn: number;
  fpsOut: number;
  /** Frames that became no pose, and poses dropped for this viewer. */
  dropped: number;
  /** From capture to publishing, when anything was published lately. */
  latencyMs: { p50: number; p95: number } | null;
  /** "full": every tick's frame is looked at; "half": one of every two, on a busy server. */
  rung: string | null;
}

export interface Pong {
  type: "pong";
  t0: number;
  t1: number;
  t2: number;
}

export interface ServerError {
  type: "error";
  code: string;
  message: string;
}

export interface Bye {
  type: "bye";
  reason: string;
}

export type Control = Hello | StreamMessage | Skeleton | Subject | Stats | Pong | ServerError | Bye;

/**
 * Parses one text frame; null for a kind of message this client doesn't know or need.
 *
 * @throws WireError when a known message lacks a field, or `hello` announces another protocol or
 *   frame of reference than this client reads.
 */
export function parseControl(text: string): Control | null {
  const fields = Fields.parse(text);
  switch (fields.text("type")) {
    case "hello":
      return hello(fields);
    case "stream":
      return {
        type: "stream",
        state: fields.oneOf("state", ["waiting", "live", "stalled", "ended"]),
        captureClock: fields.has("capture_clock")
          ? fields.oneOf<CaptureClock>("capture_clock", ["sender", "arrival"])
          : null,
        fpsIn: fields.has("fps_in") ? fields.number("fps_in") : null,
        delay: fields.has("delay") ? fields.number("delay") : null,
      };
    case "skeleton":
      return { type: "skeleton", rev: fields.number("rev"), joints: joints(fields) };
    case "subject":
      return subject(fields);
    case "stats":
      return {
        type: "stats",
        fpsIn: fields.number("fps_in"),
        fpsOut: fields.number("fps_out"),
        dropped: fields.number("dropped"),
        latencyMs: latency(fields),
        rung: fields.has("rung") ? fields.word("rung") : null,
      };
    case "pong":
      return {
        type: "pong",
        t0: fields.number("t0"),
        t1: fields.number("t1"),
        t2: fields.number("t2"),
      };
    case "error":
      return { type: "error", code: fields.word("code"), message: fields.text("message") };
    case "bye":
      return { type: "bye", reason: fields.text("reason") };
    default:
      return null;
  }
}

function hello(fields: Fields): Hello {
  const proto = fields.text("proto");
  if (!proto.startsWith("genmo.v1"))
    throw new WireError(`the server speaks ${proto}, not genmo.v1`);
  const space = fields.text("space");
  if (space !== "smpl") throw new WireError(`the server sends ${space} axes; asked for smpl`);
  return {
    type: "hello",
    server: fields.text("server"),
    stream: fields.text("stream"),
    fps: fields.number("fps"),
  };
}

function subject(fields: Fields): Subject {
  const state = fields.oneOf("state", ["enter", "update", "leave"]);
  const person = fields.number("person");
  const gone = { type: "subject", person, state, body: "", shape: [], heightM: null, offsets: [] };
  if (state === "leave") return gone as Subject;
  return {
    type: "subject",
    person,
    state,
    body: fields.text("body"),
    shape: fields.numbers("shape"),
    heightM: fields.has("height_m") ? fields.number("height_m") : null,
    offsets: fields.has("offsets") ? fields.points("offsets", NUM_JOINTS) : [],
  };
}

function joints(fields: Fields): Skeleton["joints"] {
  const listed = fields.objects("joints");
  if (listed.length !== NUM_JOINTS)
    throw new WireError(`a skeleton of ${listed.length} joints; expected ${NUM_JOINTS}`);
  return listed.map((joint, nth) => {
    const parent = joint.number("parent");
    if (!Number.isInteger(parent) || parent < -1 || parent >= nth)
      throw new WireError(`joint ${nth} has parent ${parent}; expected an earlier joint or -1`);
    return { name: joint.text("name"), parent, offset: joint.numbers("offset", 3) };
  });
}

function latency(fields: Fields): Stats["latencyMs"] {
  if (!fields.has("latency_ms")) return null;
  const times = fields.object("latency_ms");
  if (!times.has("p50") || !times.has("p95")) return null;
  return { p50: times.number("p50"), p95: times.number("p95") };
}
