/** Reads a stream's poses, off the page's thread where it can, and plays them out smoothly. */
import {
  Connection,
  type ConnectionState,
  type News,
  type OpenSocket,
  type Order,
} from "./connection.js";
import type { Start } from "./connection-worker.js";
import type { Control } from "./control.js";
import { Playout } from "./playout.js";
import type { Pose } from "./pose.js";
import type { Wish } from "./protocol.js";
import { localUs } from "./server-clock.js";

/** By name: poses, control messages by their `type`, and the state of the connection. */
export type GenmoEvents = { pose: Pose; state: ConnectionState } & {
  [Type in Control["type"]]: Extract<Control, { type: Type }>;
};

export interface ClientOptions {
  /** A token, where the server wants one. */
  token?: string | null;
  /** At most so many poses a second. */
  rate?: number;
  /** At most so many persons, the one who came first first. */
  persons?: number;
  /** Send the 2D landmarks too. */
  landmarks?: boolean;
  /** false keeps everything on this thread. */
  worker?: boolean;
  /** For tests; without a worker only. */
  openSocket?: OpenSocket;
}

type Listeners = { [Name in keyof GenmoEvents]?: Set<(event: GenmoEvents[Name]) => void> };

export class GenmoClient {
  /** Poses by the time they were captured, for `sample`. */
  readonly playout = new Playout();
  private readonly listeners: Listeners = {};
  private readonly order: (order: Order) => void;
  private clockOffsetUs: number | null = null;
  private newest: Pose | null = null;

  /**
   * Makes a client; `connect` starts it.
   *
   * @param address the stream, as in `http://127.0.0.1:8080/v1/streams/camera/poses`.
   */
  constructor(address: string | URL, options: ClientOptions = {}) {
    const url = new URL(address);
    if (options.rate !== undefined) url.searchParams.set("rate", String(options.rate));
    if (options.persons !== undefined) url.searchParams.set("persons", String(options.persons));
    if (options.landmarks) url.searchParams.set("landmarks", "1");
    url.searchParams.set("space", "smpl"); // callers convert, once, at their edge
    this.order = this.link(url, options);
  }

  /** Calls `listener` at every such event, until the function it returns is called. */
  on<Name extends keyof GenmoEvents>(
    name: Name,
    listener: (event: GenmoEvents[Name]) => void,
  ): () => void {
    const set = ((this.listeners[name] as Set<typeof listener> | undefined) ??= new Set());
    (this.listeners as Record<Name, Set<typeof listener>>)[name] = set;
    set.add(listener);
    return () => void set.delete(listener);
  }

  connect(): void {
    this.order({ kind: "connect" });
  }

  close(): void {
    this.order({ kind: "close" });
  }

  /** Tries at once instead of waiting the rest of the pause, as when the network is back. */
  hurry(): void {
    this.order({ kind: "hurry" });
  }

  /** Changes rate, persons or both from the next pose on. */
  set(wish: Wish): void {
    this.order({ kind: "set", wish });
  }

  /** Now on the server's clock, Unix µs; null before the first answered ping. */
  get serverUs(): number | null {
    return this.clockOffsetUs === null ? null : localUs() + this.clockOffsetUs;
  }

  /** The pose to show now: between two that came, a little behind them. Null before the first. */
  sample(): Pose | null {
    const now = this.serverUs;
    return (now === null ? null : this.playout.sample(now)) ?? this.newest;
  }

  private hear(news: News): void {
    switch (news.kind) {
      case "pose":
        return this.take(news.pose);
      case "clock":
        if (this.clockOffsetUs === null) this.playout.clear();
        this.clockOffsetUs = news.offsetUs;
        return;
      case "state":
        if (news.state.kind !== "open") this.forget();
        return this.emit("state", news.state);
      case "control":
        if (news.message.type === "stream" && news.message.state === "ended") this.forget();
        this.emit(news.message.type, news.message as never);
    }
  }

  private take(pose: Pose): void {
    // Only now, not in the worker: a page too busy to read must not have poses pile up before it.
    this.order({ kind: "took", seq: pose.seq });
    this.newest = pose;
    const now = this.serverUs;
    if (now !== null) this.playout.push(pose, now);
    this.emit("pose", pose);
  }

  private forget(): void {
    this.playout.clear();
    this.newest = null;
  }

  private emit<Name extends keyof GenmoEvents>(name: Name, event: GenmoEvents[Name]): void {
    for (const listener of [...(this.listeners[name] ?? [])])
      (listener as (event: GenmoEvents[Name]) => void)(event);
  }

  private link(url: URL, { token = null, worker = true, openSocket }: ClientOptions) {
    const here = () => {
      const connection = new Connection(url, token, (news) => this.hear(news), openSocket);
      return (order: Order) => connection.obey(order);
    };
    if (!worker || typeof Worker === "undefined") return here();
    const far = new Worker(new URL("./connection-worker.js", import.meta.url), { type: "module" });
    far.onmessage = ({ data }: MessageEvent<News>) => this.hear(data);
    far.postMessage({ url: url.href, token } satisfies Start);
    let post = (order: Order) => far.postMessage(order);
    let connecting = false;
    // A script that can't be loaded, as under a strict policy: then this thread does it.
    far.onerror = (event) => {
      event.preventDefault();
      far.terminate();
      post = here();
      if (connecting) post({ kind: "connect" });
    };
    return (order: Order) => {
      connecting = order.kind === "connect" || (connecting && order.kind !== "close");
      post(order);
    };
  }
}
