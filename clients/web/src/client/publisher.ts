/** Keeps a camera published: opens WHIP sessions, one after the other, until told to stop. */
import { Backoff } from "./backoff.js";
import type { Credentials } from "./credentials.js";
import { Problem } from "./problem.js";
import { wait } from "./wait.js";
import { type VideoSource, WhipSession } from "./whip-session.js";

/** One publisher's connection, from its opening to its end. */
export interface Session {
  /** Resolves when the connection is lost for good or closed. */
  readonly ended: Promise<void>;
  close(): void;
}

export type PublishState =
  | { kind: "idle" }
  | { kind: "starting" }
  | { kind: "live" }
  | { kind: "retrying"; problem: Problem; inMs: number }
  | { kind: "refused"; problem: Problem };

export type OpenSession = (...asked: Parameters<typeof WhipSession.open>) => Promise<Session>;

interface Run {
  readonly source: VideoSource;
  readonly abort: AbortController;
  session: Session | null;
  again: () => void;
}

export class Publisher {
  private run: Run | null = null;

  constructor(
    private readonly endpoint: URL,
    private readonly credentials: Credentials,
    private readonly onState: (state: PublishState) => void,
    /** Whether another publisher has the stream by now; two pages must not fight over it. */
    private readonly takenOver: () => boolean,
    private readonly open: OpenSession = WhipSession.open,
  ) {}

  get active(): boolean {
    return this.run !== null;
  }

  start(source: VideoSource): void {
    this.stop();
    const run = { source, abort: new AbortController(), session: null, again: () => undefined };
    this.run = run;
    this.keep(run).catch((error: unknown) => {
      if (run.abort.signal.aborted) return;
      this.run = null;
      const problem = error instanceof Problem ? error : new Problem(0, String(error));
      this.onState({ kind: "refused", problem });
    });
  }

  /** Publishes the same source anew, as when what is told about it has changed; or stays idle. */
  restart(): void {
    if (this.run) this.start(this.run.source);
  }

  /** Gives the present session up and opens another, as after a restart of the server. */
  renew(): void {
    this.run?.again();
  }

  stop(): void {
    if (!this.run) return;
    const { abort, session } = this.run;
    this.run = null;
    abort.abort(new DOMException("stopped", "AbortError"));
    session?.close();
    this.onState({ kind: "idle" });
  }

  /** Publishes again and again; returns never, throws what trying again can't mend. */
  private async keep(run: Run): Promise<never> {
    const { source } = run;
    const { signal } = run.abort;
    const backoff = new Backoff();
    let wasLive = false;
    this.onState({ kind: "starting" });
    for (;;) {
      let problem = new Problem(0, "the connection to the server was lost");
      try {
        run.session = await this.open(this.endpoint, source, this.credentials, signal);
        wasLive = true;
        backoff.reset();
        this.onState({ kind: "live" });
        await this.sessionEnd(run, run.session);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof Problem) || !canRetry(error, wasLive)) throw error;
        problem = error;
      }
      signal.throwIfAborted();
      run.session?.close();
      run.session = null;
      const inMs = Math.max(backoff.nextMs(), 1000 * (problem.retryAfterS ?? 0));
      this.onState({ kind: "retrying", problem, inMs });
      await wait(inMs, signal);
      if (wasLive && this.takenOver()) throw new Problem(409, "another publisher took the stream");
    }
  }

  private sessionEnd(run: Run, session: Session): Promise<void> {
    const again = new Promise<void>((resolve) => {
      run.again = () => resolve();
    });
    return Promise.race([session.ended, again]);
  }
}

/** Gone or full passes; "someone else publishes" may be our own session that just broke. */
function canRetry(problem: Problem, wasLive: boolean): boolean {
  if (problem.status === 409) return wasLive;
  return problem.status === 0 || problem.status === 503 || problem.status >= 502;
}
