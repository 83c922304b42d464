/** One WHIP exchange (RFC 9725): a video track offered, answered, connected, and taken down. */
import type { Credentials } from "./credentials.js";
import { Problem } from "./problem.js";

const CODECS = ["video/vp8", "video/h264", "video/rtx"];
const SENSORS = "sensors"; // label of the data channel
const GATHER_MS = 1500;
const CONNECT_MS = 12_000;
const DISCONNECTED_MS = 4000; // a lost path may come back by itself for this long

export interface VideoSource {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  /** The picture is sent this many times smaller than it is. */
  readonly scaleDownBy: number;
  /** Sends on this channel how the camera moves; absent where nothing measures that. */
  readonly sendMotion?: ((channel: MotionChannel) => void) | null;
}

/** Beside video a data channel, beside keypoints their socket. */
export type MotionChannel = RTCDataChannel | WebSocket;

export class WhipSession {
  /** Resolves when the connection is lost for good or closed. */
  readonly ended: Promise<void>;

  private constructor(
    private readonly peer: RTCPeerConnection,
    private readonly resource: URL,
    private readonly credentials: Credentials,
  ) {
    this.ended = connectionEnd(peer);
  }

  /**
   * Publishes a track and returns once media can flow.
   *
   * @throws Problem when the server says no, is not there, or media finds no way to it.
   */
  static async open(
    endpoint: URL,
    source: VideoSource,
    credentials: Credentials,
    signal: AbortSignal,
  ): Promise<WhipSession> {
    const peer = new RTCPeerConnection();
    let session: WhipSession | null = null;
    try {
      await sendVideo(peer, source);
      source.sendMotion?.(peer.createDataChannel(SENSORS));
      await peer.setLocalDescription();
      await gathered(peer, signal);
      const answer = await post(endpoint, peer.localDescription?.sdp ?? "", credentials, signal);
      const resource = new URL(answer.headers.get("Location") ?? "", endpoint);
      session = new WhipSession(peer, resource, credentials);
      await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
      await connected(peer, signal);
      return session;
    } catch (error) {
      if (session) session.close();
      else peer.close();
      throw error;
    }
  }

  /** Ends the session here and on the server; works while the page is being left. */
  close(): void {
    // The connection closes after the answer: closed first, it can end the session before the
    // DELETE arrives, which then finds none.
    fetch(this.resource, {
      method: "DELETE",
      headers: this.credentials.headers,
      keepalive: true,
    })
      .catch(() => undefined) // the server is gone: so is its session
      .finally(() => this.peer.close());
  }
}

async function sendVideo(peer: RTCPeerConnection, source: VideoSource): Promise<void> {
  const transceiver = peer.addTransceiver(source.track, {
    direction: "sendonly",
    streams: [source.stream],
    sendEncodings: [{ maxFramerate: 30, scaleResolutionDownBy: source.scaleDownBy }],
  });
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const preferred = codecs.filter((codec) => CODECS.includes(codec.mimeType.toLowerCase()));
  // Older browsers can't choose; the server then picks what it can decode from the offer.
  if (preferred.length > 0 && "setCodecPreferences" in transceiver)
    transceiver.setCodecPreferences(preferred);
  const parameters = transceiver.sender.getParameters();
  parameters.degradationPreference = "maintain-framerate";
  // A browser that doesn't know the preference keeps its own; publishing goes on.
  await transceiver.sender.setParameters(parameters).catch(() => undefined);
}

async function post(
  endpoint: URL,
  sdp: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...credentials.headers },
      body: sdp,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new Problem(0, `the server does not answer (${String(error)})`);
  }
  if (answer.status !== 201) throw await Problem.from(answer);
  return answer;
}

/** Resolves when all candidates are in the offer, or after GATHER_MS with those there are. */
function gathered(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return until(
    peer,
    "icegatheringstatechange",
    () => peer.iceGatheringState === "complete",
    GATHER_MS,
    signal,
  ).then(() => undefined);
}

async function connected(peer: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  const settled = () => ["connected", "failed", "closed"].includes(peer.connectionState);
  await until(peer, "connectionstatechange", settled, CONNECT_MS, signal);
  if (peer.connectionState !== "connected")
    throw new Problem(0, "video can't reach the server; its UDP ports may be blocked");
}

/** Waits for a state; false when it was not reached in time. */
function until(
  peer: RTCPeerConnection,
  event: string,
  reached: () => boolean,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      peer.removeEventListener(event, check);
      signal.removeEventListener("abort", abort);
      settle();
    };
    const check = () => reached() && finish(() => resolve(true));
    const abort = () => finish(() => reject(signal.reason as Error));
    const timer = setTimeout(() => finish(() => resolve(reached())), ms);
    peer.addEventListener(event, check);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    else check();
  });
}

function connectionEnd(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    peer.addEventListener("connectionstatechange", () => {
      clearTimeout(timer);
      if (peer.connectionState === "failed" || peer.connectionState === "closed") end();
      else if (peer.connectionState === "disconnected") timer = setTimeout(end, DISCONNECTED_MS);
    });
  });
}
