import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Control } from "../src/client/control";
import { Credentials } from "../src/client/credentials";
import { type ClientState, GenmoClient } from "../src/client/genmo-client";
import type { Pose } from "../src/client/pose";
import { bytes, text } from "./golden";

class FakeSocket {
  static all: FakeSocket[] = [];
  readyState = 1;
  binaryType = "";
  sent: (string | ArrayBuffer)[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(
    readonly url: URL,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }

  send(message: string | ArrayBuffer) {
    this.sent.push(message);
  }

  close() {
    this.readyState = 3;
  }
}

const poses: Pose[] = [];
const controls: Control[] = [];
const states: ClientState["kind"][] = [];
let client: GenmoClient;

beforeEach(async () => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  poses.length = controls.length = states.length = 0;
  client = new GenmoClient(
    new URL("https://server/v1/streams/camera/poses"),
    new Credentials("me", false),
    {
      onPose: (pose) => poses.push(pose),
      onControl: (message) => controls.push(message),
      onState: (state) => states.push(state.kind),
    },
    (url, protocol) => new FakeSocket(url, protocol) as unknown as WebSocket,
  );
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
});

function socket(): FakeSocket {
  const last = FakeSocket.all.at(-1);
  if (!last) throw new Error("no socket was opened");
  return last;
}

test("it asks for the binary profile on a secure websocket", () => {
  expect(socket().protocol).toBe("genmo.v1.bin");
  expect(socket().url.href).toBe("wss://server/v1/streams/camera/poses");
  expect(socket().binaryType).toBe("arraybuffer");
});

test("every pose is handed on and acknowledged", () => {
  socket().onmessage?.({ data: bytes("poses/t_pose.smpl.bin") });
  const seq = poses[0]?.seq ?? -1;
  const ack = new DataView(socket().sent[0] as ArrayBuffer);
  expect(ack.getUint8(0)).toBe(0x10);
  expect(ack.getUint32(1, true)).toBe(seq);
});

test("it pings, and reopens the socket when nothing is heard for eight seconds", async () => {
  socket().onopen?.();
  socket().onmessage?.({ data: text("control/hello.json") });
  expect(JSON.parse(socket().sent[0] as string)).toMatchObject({ type: "ping" });
  await vi.advanceTimersByTimeAsync(7000);
  expect(FakeSocket.all).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(5000);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
});

test("a closed socket is reopened after a growing pause", async () => {
  for (const atLeast of [400, 800, 1700, 3400]) {
    const before = FakeSocket.all.length;
    socket().onclose?.();
    await vi.advanceTimersByTimeAsync(atLeast);
    expect(FakeSocket.all).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(atLeast);
    expect(FakeSocket.all).toHaveLength(before + 1);
  }
});

test("a hello resets the pause", async () => {
  for (let i = 0; i < 3; i++) {
    socket().onclose?.();
    await vi.advanceTimersByTimeAsync(9000);
  }
  socket().onmessage?.({ data: text("control/hello.json") });
  const before = FakeSocket.all.length;
  socket().onclose?.();
  await vi.advanceTimersByTimeAsync(600);
  expect(FakeSocket.all).toHaveLength(before + 1);
});

test("a server that speaks something else is refused for good", async () => {
  socket().onmessage?.({ data: bytes("malformed/major.bin") });
  expect(states.at(-1)).toBe("refused");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(1);
});

test("an unknown kind of frame is skipped", () => {
  socket().onmessage?.({ data: bytes("malformed/type.bin") });
  expect(poses).toEqual([]);
  expect(states).toEqual(["connecting"]);
});

test("after close nothing is opened again", async () => {
  client.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all).toHaveLength(1);
});
