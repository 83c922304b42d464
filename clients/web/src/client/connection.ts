/** One websocket to a stream's poses, reopened whenever it breaks. */
import { Backoff } from "./backoff.js";
import { type Control, parseControl } from "./control.js";
import { websocketUrl } from "./credentials.js";
import type { Pose } from "./pose.js";
import { Problem } from "./problem.js";
import { decodePose, encodeAck, encodePing, encodeSet, isPose, SUBPROTOCOL } from "./protocol.js";
import type { Wish } from "./protocol.js";
import { localUs, ServerClock } from "./server-clock.js";
import { WireError } from "./wire-error.js";

const PING_MS = 2000;
const FIRST_PINGS_MS = 200;
const FIRST_PINGS = 4;
const SILENCE_MS = 8000; // pings are answered, so silence this long means the path is dead

export type ConnectionState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "retrying"; inMs: number }
  | { kind: "refused"; reason: string }
  | { kind: "closed" };

/** What a connection has to say; plain values, so that it can say it from a worker. */
export type News =
  | { kind: "pose"; pose: Pose }
  | { kind: "control"; message: Control }
  | { kind: "clock"; offsetUs: number; roundTripMs: number }
  | { kind: "state"; state: ConnectionState };

/** What a connection is told. */
export type Order =
  | { kind: "connect" }
  | { kind: "close" }
  | { kind: "hurry" }
  | { kind: "took"; seq: number }
  | { kind: "set"; wish: Wish };

export type OpenSocket = (url: URL, protocol: string) => WebSocket;

export class Connection {
  private readonly clock = new ServerClock();
  private readonly backoff = new Backoff();
  private socket: WebSocket | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private pings: ReturnType<typeof setTimeout> | undefined;
  private sent = 0;
  private heardMs = 0;
  private running = false;

  /** @param url the stream's `/poses` address, http or ws. */
  constructor(
    private readonly url: URL,
    private readonly token: string | null,
    private readonly tell: (news: News) => void,
    private readonly openSocket: OpenSocket = (at, protocol) => new WebSocket(at, protocol),
  ) {}

  obey(order: Order): void {
    switch (order.kind) {
      case "connect":
        return this.connect();
      case "close":
        return this.close();
      case "hurry":
        return this.hurry();
      case "took":
        return this.send(encodeAck(order.seq));
      case "set":
        return this.send(encodeSet(order.wish));
    }
  }

  private connect(): void {
    if (this.running) return;
    this.running = true;
    void this.open();
  }

  private close(): void {
    this.running = false;
    clearTimeout(this.retry);
    this.drop();
    this.say({ kind: "closed" });
  }

  /** Tries at once instead of waiting the rest of the backoff, as when the network is back. */
  private hurry(): void {
    if (!this.running || this.socket) return;
    clearTimeout(this.retry);
    void this.open();
  }

  private async open(): Promise<void> {
    this.say({ kind: "connecting" });
    try {
      const url = await websocketUrl(this.url, this.token);
      if (this.running) this.attach(this.openSocket(url, SUBPROTOCOL));
    } catch (error) {
      const denied = error instanceof Problem && (error.status === 401 || error.status === 403);
      if (denied) this.refuse(error.message);
      else this.lost();
    }
  }

  private attach(socket: WebSocket): void {
    this.drop();
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.clock.reset();
      this.sent = 0;
      this.heardMs = performance.now();
      this.ping();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => this.receive(event.data);
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.drop();
      this.lost();
    };
  }

  private receive(data: unknown): void {
    this.heardMs = performance.now();
    try {
      if (data instanceof ArrayBuffer) this.receivePose(data);
      else if (typeof data === "string") this.receiveControl(data);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse(error.message);
    }
  }

  private receivePose(data: ArrayBuffer): void {
    if (isPose(data)) this.tell({ kind: "pose", pose: decodePose(data) });
  }

  private receiveControl(text: string): void {
    const message = parseControl(text);
    if (message === null) return;
    if (message.type === "pong") this.learnClock(message.t0, message.t1, message.t2);
    if (message.type === "hello") {
      this.backoff.reset();
      this.say({ kind: "open" });
    }
    this.tell({ kind: "control", message });
  }

  private learnClock(t0: number, t1: number, t2: number): void {
    this.clock.add(t0, t1, t2, localUs());
    const { offsetUs, roundTripMs } = this.clock;
    if (offsetUs !== null && roundTripMs !== null)
      this.tell({ kind: "clock", offsetUs, roundTripMs });
  }

  private ping(): void {
    if (performance.now() - this.heardMs > SILENCE_MS) {
      this.drop();
      this.lost();
      return;
    }
    this.send(encodePing(localUs()));
    const inMs = ++this.sent < FIRST_PINGS ? FIRST_PINGS_MS : PING_MS;
    this.pings = setTimeout(() => this.ping(), inMs);
  }

  private send(message: ArrayBuffer | string): void {
    // A socket that is closing would complain on the console.
    if (this.socket?.readyState === 1) this.socket.send(message);
  }

  private lost(): void {
    if (!this.running) return;
    const inMs = this.backoff.nextMs();
    this.say({ kind: "retrying", inMs });
    this.retry = setTimeout(() => void this.open(), inMs);
  }

  /** Stops for good: another attempt would meet the same. */
  private refuse(reason: string): void {
    this.running = false;
    this.drop();
    this.say({ kind: "refused", reason });
  }

  private say(state: ConnectionState): void {
    this.tell({ kind: "state", state });
  }

  private drop(): void {
    clearTimeout(this.pings);
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
