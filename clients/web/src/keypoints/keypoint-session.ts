/** One publisher that sends what this browser sees in its video, and never the video. */
import { type Credentials, websocketUrl } from "../client/credentials";
import { Problem } from "../client/problem";
import type { Session } from "../client/publisher";
import { localUs } from "../client/server-clock";
import type { VideoSource } from "../client/whip-session";
import { watchTrack } from "./frames";
import { keypointsMessage, pingMessage } from "./message";
import type { Sighting, Watcher } from "./watcher";

const PING_MS = 2000;
const MAX_BUFFERED = 32_768; // bytes: the network is behind, and a newer frame comes soon

export class KeypointSession implements Session {
  readonly ended: Promise<void>;
  private readonly stopWatching: () => void;
  private frame = 0;
  private pongUs: number | null = null;
  private pings = 0;
  private pinging: ReturnType<typeof setTimeout> | undefined;

  private constructor(
    private readonly socket: WebSocket,
    watcher: Watcher,
    track: MediaStreamTrack,
    onLook: (sighting: Sighting) => void,
  ) {
    this.ended = new Promise((resolve) => {
      socket.addEventListener("close", () => {
        this.stop();
        resolve();
      });
      watcher.onFailed = () => this.close();
    });
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data)) as { type: string };
      if (message.type !== "pong") return;
      this.pongUs = localUs();
      if (this.pings === 1) this.ping(); // which tells it: now the server knows our clock
    });
    watcher.onSeen = (sighting) => {
      onLook(sighting);
      if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > MAX_BUFFERED) return;
      if (this.pings < 2) return; // its capture time would be taken for that of its arrival
      socket.send(keypointsMessage(this.frame++, sighting));
    };
    this.stopWatching = watchTrack(track, (picture, tUs) => watcher.look(picture, tUs));
    this.ping();
  }

  /**
   * Publishes what is seen in a track and returns once the server takes it.
   *
   * @param endpoint the stream's `/keypoints` address.
   * @param onLook called with what was seen in every frame that was looked at.
   * @throws Problem when the server says no or is not there.
   */
  static async open(
    endpoint: URL,
    { track, sendMotion }: VideoSource,
    credentials: Credentials,
    watcher: Watcher,
    onLook: (sighting: Sighting) => void,
    signal: AbortSignal,
  ): Promise<KeypointSession> {
    const socket = await connect(endpoint, credentials, signal);
    sendMotion?.(socket);
    return new KeypointSession(socket, watcher, track, onLook);
  }

  close(): void {
    this.stop();
    this.socket.close();
  }

  private stop(): void {
    clearTimeout(this.pinging);
    this.stopWatching();
  }

  private ping(): void {
    clearTimeout(this.pinging);
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(pingMessage(localUs(), this.pongUs));
    this.pings++;
    this.pinging = setTimeout(() => this.ping(), PING_MS);
  }
}

async function connect(
  endpoint: URL,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<WebSocket> {
  let address: URL;
  try {
    // With a ticket this page is known again: the same token may take its stream over.
    address = await websocketUrl(endpoint, credentials.token);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(0, `the server does not answer (${String(error)})`);
  }
  signal.throwIfAborted();
  const socket = new WebSocket(address, "genmo.v1.json");
  const opened = await new Promise<boolean>((resolve) => {
    socket.addEventListener("message", () => resolve(true), { once: true }); // hello
    socket.addEventListener("close", () => resolve(false), { once: true });
    signal.addEventListener("abort", () => socket.close(), { once: true });
  });
  signal.throwIfAborted();
  if (!opened) throw await refusal(endpoint, credentials);
  return socket;
}

/** Why the server took no websocket: browsers don't tell, so it is asked. */
async function refusal(endpoint: URL, { headers }: Credentials): Promise<Problem> {
  try {
    const state = await fetch(new URL("..", endpoint).pathname.replace(/\/$/, ""), { headers });
    const stream = state.ok ? ((await state.json()) as { state?: string }) : {};
    if (stream.state === "live") return new Problem(409, "the stream has a publisher");
    const ready = await fetch(new URL("/readyz", endpoint));
    const { capacity } = (await ready.json()) as { capacity?: { keypoint_streams_free?: number } };
    if (ready.status === 503 || capacity?.keypoint_streams_free === 0)
      return new Problem(503, "as many streams are live as it takes", 5);
  } catch {
    return new Problem(0, "the server does not answer");
  }
  return new Problem(0, "the server did not take the keypoints");
}
