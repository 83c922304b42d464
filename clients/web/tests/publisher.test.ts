import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Credentials } from "../src/client/credentials";
import { Problem } from "../src/client/problem";
import { type OpenSession, Publisher, type PublishState } from "../src/client/publisher";
import type { VideoSource, WhipSession } from "../src/client/whip-session";

class FakeSession {
  closed = false;
  lose: () => void = () => undefined;
  readonly ended = new Promise<void>((resolve) => {
    this.lose = resolve;
  });

  close() {
    this.closed = true;
  }
}

const source = {} as VideoSource;
let answers: (FakeSession | Problem)[];
let opened: number;
let states: PublishState[];
let elsewhere: boolean;
let publisher: Publisher;

beforeEach(() => {
  vi.useFakeTimers();
  answers = [];
  opened = 0;
  states = [];
  elsewhere = false;
  const open: OpenSession = async (_endpoint, _source, _credentials, signal) => {
    signal.throwIfAborted();
    const answer = answers[opened++] ?? new Problem(0, "no answer prepared");
    if (answer instanceof Problem) throw answer;
    return answer as unknown as WhipSession;
  };
  publisher = new Publisher(
    new URL("http://server/whip/camera"),
    new Credentials("me", false),
    (state) => states.push(state),
    () => elsewhere,
    open,
  );
});

afterEach(() => {
  publisher.stop();
  vi.useRealTimers();
});

const kinds = () => states.map((state) => state.kind);

test("stop closes the session and is final", async () => {
  const session = new FakeSession();
  answers = [session];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  publisher.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(session.closed).toBe(true);
  expect(kinds()).toEqual(["starting", "live", "idle"]);
});

test("a lost session is closed and followed by another", async () => {
  const first = new FakeSession();
  answers = [first, new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  first.lose();
  await vi.advanceTimersByTimeAsync(1000);
  expect(first.closed).toBe(true);
  expect(kinds()).toEqual(["starting", "live", "retrying", "live"]);
});

test("a server that is gone is tried again and again", async () => {
  answers = [new Problem(0, "gone"), new Problem(502, "gone"), new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(5000);
  expect(kinds()).toEqual(["starting", "retrying", "retrying", "live"]);
});

test("a full server is asked again after the time it names", async () => {
  answers = [new Problem(503, "full", 5), new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(4900);
  expect(kinds()).toEqual(["starting", "retrying"]);
  await vi.advanceTimersByTimeAsync(200);
  expect(kinds()).toEqual(["starting", "retrying", "live"]);
});

test("someone else's stream is not asked for twice", async () => {
  answers = [new Problem(409, "someone else publishes")];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(states.at(-1)).toMatchObject({ kind: "refused", problem: { status: 409 } });
  expect(opened).toBe(1);
  expect(publisher.active).toBe(false);
});

test("a conflict after a loss may be our own broken session and is tried again", async () => {
  const first = new FakeSession();
  answers = [first, new Problem(409, "still there"), new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  first.lose();
  await vi.advanceTimersByTimeAsync(5000);
  expect(kinds()).toEqual(["starting", "live", "retrying", "retrying", "live"]);
});

test("a stream that another page took over is left to it", async () => {
  const first = new FakeSession();
  answers = [first, new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  elsewhere = true;
  first.lose();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(states.at(-1)).toMatchObject({ kind: "refused", problem: { status: 409 } });
  expect(opened).toBe(1);
});

test("a restart publishes the same source anew, and nothing when none is published", async () => {
  publisher.restart();
  const first = new FakeSession();
  answers = [first, new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  publisher.restart();
  await vi.advanceTimersByTimeAsync(0);
  expect(first.closed).toBe(true);
  expect(kinds()).toEqual(["starting", "live", "idle", "starting", "live"]);
});

test("renew gives the session up for a fresh one", async () => {
  const first = new FakeSession();
  answers = [first, new FakeSession()];
  publisher.start(source);
  await vi.advanceTimersByTimeAsync(0);
  publisher.renew();
  await vi.advanceTimersByTimeAsync(1000);
  expect(first.closed).toBe(true);
  expect(kinds()).toEqual(["starting", "live", "retrying", "live"]);
});
