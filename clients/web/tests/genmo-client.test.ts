import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ConnectionState } from "../src/client/connection";
import { GenmoClient } from "../src/client/genmo-client";
import type { Pose } from "../src/client/pose";
import { decodePose } from "../src/client/protocol";
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
const states: ConnectionState["kind"][] = [];
let client: GenmoClient;

beforeEach(async () => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  poses.length = states.length = 0;
  client = new GenmoClient("https://server/v1/streams/camera/poses", {
    rate: 15,
    worker: false,
    openSocket: (url, protocol) => new FakeSocket(url, protocol) as unknown as WebSocket,
  });
  client.on("pose", (pose) => poses.push(pose));
  client.on("state", (state) => states.push(state.kind));
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
  expect(socket().url.href).toBe("wss://server/v1/streams/camera/poses?rate=15&space=smpl");
  expect(socket().binaryType).toBe("arraybuffer");
});

test("every pose is handed on and acknowledged", () => {
  socket().onmessage?.({ data: bytes("poses/t_pose.smpl.bin") });
  const seq = poses[0]?.seq ?? -1;
  const ack = new DataView(socket().sent[0] as ArrayBuffer);
  expect(ack.getUint8(0)).toBe(0x10);
  expect(ack.getUint32(1, true)).toBe(seq);
});

test("listeners get the events they asked for, until they stop listening", () => {
  const heard: string[] = [];
  const stop = client.on("stats", ({ type }) => heard.push(type));
  client.on("subject", ({ person, offsets }) => heard.push(`${person}: ${offsets.length} bones`));
  const tell = (name: string) => socket().onmessage?.({ data: text(`control/${name}.json`) });
  tell("stats");
  tell("subject.smpl");
  stop();
  tell("stats");
  expect(heard).toEqual(["stats", "7: 24 bones"]);
});

test("set tells the server a new rate", () => {
  client.set({ rate: 15, persons: 1 });
  expect(JSON.parse(socket().sent[0] as string)).toEqual(JSON.parse(text("client/set.json")));
});

test("before the clock is known the newest pose is shown", () => {
  expect(client.sample()).toBeNull();
  socket().onmessage?.({ data: bytes("poses/t_pose.smpl.bin") });
  expect(client.sample()?.seq).toBe(decodePose(bytes("poses/t_pose.smpl.bin")).seq);
});

test("nothing is shown of a connection that broke", () => {
  socket().onmessage?.({ data: bytes("poses/t_pose.smpl.bin") });
  socket().onclose?.();
  expect(client.sample()).toBeNull();
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
