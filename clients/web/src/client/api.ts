/** The server's HTTP interface: takes and sinks. */
import type { Credentials } from "./credentials.js";
import { Problem } from "./problem.js";

export const TAKE_FORMATS = ["npz", "bvh", "glb", "jsonl"] as const;
export type TakeFormat = (typeof TAKE_FORMATS)[number];
export type Solve = "live" | "second";
export const BONE_NAMES = ["smpl", "unity", "vrm", "manny", "mixamo"] as const;
export type BoneNames = (typeof BONE_NAMES)[number];

export interface Take {
  id: string;
  name: string;
  stream: string;
  started_us: number;
  recording: boolean;
  /** Why it ended by itself, or "stopped". */
  ended: string | null;
  seconds: number;
  frames: number;
  bytes: number;
  persons: number[];
  solve: SolveState | null;
  /** Null until there is a second solve. */
  comparison: Comparison[] | null;
}

export interface SolveState {
  state: "queued" | "running" | "done" | "failed";
  /** 0..1 */
  progress: number;
  error: string | null;
}

export interface Comparison {
  person: number;
  ticks: number;
  live: Quality;
  second: Quality;
}

/** Lower is better. */
export interface Quality {
  /** Mean third derivative of the joints, m/s³. */
  jitter: number;
  /** Of feet that both solves say stand; null where none does. */
  foot_speed_cm_s: number | null;
  /** Median distance of seen landmarks from the body's; null when the camera changed. */
  reprojection_px: number | null;
}

export interface TakeFile {
  name: string;
  content: Blob;
}

export interface DownloadOptions {
  person?: number;
  solve?: Solve;
  bones?: BoneNames;
}

export type SinkKind = "vmc" | "vrchat" | "zmq";

export interface SinkSettings {
  kind: SinkKind;
  to: string;
  stream?: string | null;
  rate?: number | null;
  persons?: number;
  mirror?: boolean;
  preset?: "full" | "legs" | "hips-feet";
  height_m?: number | null;
}

export interface Sink extends SinkSettings {
  id: string;
  status: {
    stream: string | null;
    sent: number;
    packets: number;
    skipped: number;
    error: string | null;
  };
}

/** Every method throws Problem when the server says no or isn't there (status 0). */
export class GenmoApi {
  /** @param server any address on it. */
  constructor(
    private readonly server: string | URL,
    private readonly credentials: Credentials | null = null,
  ) {}

  async takes(): Promise<Take[]> {
    return (await this.json<{ takes: Take[] }>("GET", "/v1/takes")).takes;
  }

  startTake(stream: string, name?: string): Promise<Take> {
    const body = name === undefined ? undefined : { name };
    return this.json("POST", `/v1/streams/${encodeURIComponent(stream)}/takes`, body);
  }

  stopTake(take: Take): Promise<Take> {
    const stream = encodeURIComponent(take.stream);
    return this.json("POST", `/v1/streams/${stream}/takes/${take.id}/stop`);
  }

  renameTake(id: string, name: string): Promise<Take> {
    return this.json("PATCH", `/v1/takes/${id}`, { name });
  }

  async deleteTake(id: string): Promise<void> {
    await this.ask("DELETE", `/v1/takes/${id}`);
  }

  /** Starts a second solve; `takes` says how it goes. */
  solveTake(id: string): Promise<Take> {
    return this.json("POST", `/v1/takes/${id}/solve`);
  }

  async download(id: string, format: TakeFormat, options: DownloadOptions = {}): Promise<TakeFile> {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(options)) query.set(key, String(value));
    const answer = await this.ask("GET", `/v1/takes/${id}.${format}?${query}`);
    const said = answer.headers.get("Content-Disposition") ?? "";
    const name = /filename="([^"]+)"/.exec(said)?.[1] ?? `${id}.${format}`;
    return { name, content: await answer.blob() };
  }

  async sinks(): Promise<Sink[]> {
    return (await this.json<{ sinks: Sink[] }>("GET", "/v1/sinks")).sinks;
  }

  addSink(settings: SinkSettings): Promise<Sink> {
    return this.json("POST", "/v1/sinks", settings);
  }

  async removeSink(id: string): Promise<void> {
    await this.ask("DELETE", `/v1/sinks/${encodeURIComponent(id)}`);
  }

  private async json<T>(method: string, path: string, body?: object): Promise<T> {
    return (await (await this.ask(method, path, body)).json()) as T;
  }

  private async ask(method: string, path: string, body?: object): Promise<Response> {
    const headers: Record<string, string> = { ...this.credentials?.headers };
    if (body) headers["Content-Type"] = "application/json";
    let answer: Response;
    try {
      answer = await fetch(new URL(path, this.server), {
        method,
        headers,
        body: body ? JSON.stringify(body) : null,
      });
    } catch (error) {
      throw new Problem(0, `the server does not answer (${String(error)})`);
    }
    if (!answer.ok) throw await Problem.from(answer);
    return answer;
  }
}
