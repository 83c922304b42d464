/** The control messages of `genmo.v1` that this client acts on, parsed and checked. */
import { WireError } from "./wire-error";

export type StreamState = "waiting" | "live" | "stalled" | "ended";

export type CaptureClock = "sender" | "arrival";

export interface Hello {
  type: "hello";
  server: string;
  stream: string;
  fps: number;
}

export interface StreamMessage {
  type: "stream";
  state: StreamState;
  /** Where capture times come from; with "arrival" the network's share is not in the ledger. */
  captureClock: CaptureClock | null;
}

export interface Subject {
  type: "subject";
  person: number;
  state: "enter" | "update" | "leave";
  /** The coefficients of the body in use. */
  shape: number[];
}

export interface Stats {
  type: "stats";
  fpsIn: number;
  fpsOut: number;
  /** Frames that became no pose, and poses dropped for this viewer. */
  dropped: number;
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

export type Control = Hello | StreamMessage | Subject | Stats | Pong | ServerError | Bye;

/**
 * Parses one text frame; null for a kind of message this client doesn't know or need.
 *
 * @throws WireError when a known message lacks a field, or `hello` announces another protocol or
 *   frame of reference than this client reads.
 */
export function parseControl(text: string): Control | null {
  const fields = new Fields(text);
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
      };
    case "subject":
      return subject(fields);
    case "stats":
      return {
        type: "stats",
        fpsIn: fields.number("fps_in"),
        fpsOut: fields.number("fps_out"),
        dropped: fields.number("dropped"),
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
  if (state === "leave") return { type: "subject", person, state, shape: [] };
  return { type: "subject", person, state, shape: fields.numbers("shape") };
}

/** Typed access to a JSON object's fields; every mismatch is a WireError naming the field. */
class Fields {
  private readonly values: Record<string, unknown>;

  constructor(text: string) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      throw new WireError("a text frame that is not JSON");
    }
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
      throw new WireError("a text frame that is not a JSON object");
    this.values = parsed as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  text(name: string): string {
    const value = this.values[name];
    return typeof value === "string" ? value : this.fail(name, "text");
  }

  number(name: string): number {
    const value = this.values[name];
    return typeof value === "number" ? value : this.fail(name, "a number");
  }

  numbers(name: string): number[] {
    const value = this.values[name];
    return Array.isArray(value) && value.every((item) => typeof item === "number")
      ? (value as number[])
      : this.fail(name, "a list of numbers");
  }

  /** A code, which may be a number or text. */
  word(name: string): string {
    const value = this.values[name];
    return typeof value === "string" || typeof value === "number"
      ? String(value)
      : this.fail(name, "text or a number");
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.values[name];
    return allowed.find((item) => item === value) ?? this.fail(name, allowed.join(" or "));
  }

  private fail(name: string, expected: string): never {
    const value = JSON.stringify(this.values[name]);
    throw new WireError(`${name} is ${value}; expected ${expected}`);
  }
}
