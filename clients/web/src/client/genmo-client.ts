/** Reads a stream's poses: one websocket, reopened whenever it breaks. */
import { Backoff } from "./backoff";
import { type Control, parseControl } from "./control";
import type { Credentials } from "./credentials";
import type { Pose } from "./pose";
import { Problem } from "./problem";
import { decodePose, encodeAck, encodePing, isPose, SUBPROTOCOL } from "./protocol";
import { localUs, ServerClock } from "./server-clock";
import { WireError } from "./wire-error";

const PING_MS = 2000;
const FIRST_PINGS_MS = 200;
const FIRST_PINGS = 4;
const SILENCE_MS = 8000; // pings are answered, so silence this long means the path is dead

export type ClientState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "retrying"; inMs: number }
  | { kind: "refused"; reason: string }
  | { kind: "closed" };

export interface ClientEvents {
  onPose(pose: Pose): void;
  onControl(message: Control): void;
  onState(state: ClientState): void;
}

export type OpenSocket = (url: URL, protocol: string) => WebSocket;

export class GenmoClient {
  readonly clock = new ServerClock();
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
    private readonly credentials: Credentials,
    private readonly events: ClientEvents,
    private readonly openSocket: OpenSocket = (at, protocol) => new WebSocket(at, protocol),
  ) {}

  connect(): void {
    if (this.running) return;
    this.running = true;
    void this.open();
  }

  close(): void {
    this.running = false;
    clearTimeout(this.retry);
    this.drop();
    this.events.onState({ kind: "closed" });
  }

  /** Tries at once instead of waiting the rest of the backoff, as when the network is back. */
  hurry(): void {
    if (!this.running || this.socket) return;
    clearTimeout(this.retry);
    void this.open();
  }

  private async open(): Promise<void> {
    this.events.onState({ kind: "connecting" });
    try {
      const url = await this.credentials.websocketUrl(this.url);
      if (this.running) this.attach(this.openSocket(websocket(url), SUBPROTOCOL));
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
    if (!isPose(data)) return;
    const pose = decodePose(data);
    this.send(encodeAck(pose.seq));
    this.events.onPose(pose);
  }

  private receiveControl(text: string): void {
    const message = parseControl(text);
    if (message === null) return;
    if (message.type === "pong") this.clock.add(message.t0, message.t1, message.t2, localUs());
    if (message.type === "hello") {
      this.backoff.reset();
      this.events.onState({ kind: "open" });
    }
    this.events.onControl(message);
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
    this.events.onState({ kind: "retrying", inMs });
    this.retry = setTimeout(() => void this.open(), inMs);
  }

  /** Stops for good: another attempt would meet the same. */
  private refuse(reason: string): void {
    this.running = false;
    this.drop();
    this.events.onState({ kind: "refused", reason });
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

function websocket(url: URL): URL {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return address;
}
