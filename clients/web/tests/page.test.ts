import { describe, expect, test } from "vitest";
import type { Pose } from "../src/client/pose";
import { Problem } from "../src/client/problem";
import { CameraError } from "../src/page/camera";
import { LatencyLedger, STAGES } from "../src/page/latency-ledger";
import { lookaheadName } from "../src/page/lookahead";
import { noticeFor } from "../src/page/notice";
import { Rolling } from "../src/page/rolling";
import { settingsFrom, validStream, viewerAddress } from "../src/page/settings";
import { type Situation, statusOf } from "../src/page/status";

describe("percentiles", () => {
  test("are of the last values only", () => {
    const rolling = new Rolling(4);
    for (const value of [900, 900, 1, 4, 2, 3]) rolling.add(value);
    expect(rolling.percentile(0.5)).toBe(2);
    expect(rolling.percentile(0.95)).toBe(4);
  });

  test("are unknown before the first value", () => {
    expect(new Rolling().percentile(0.5)).toBeNull();
  });
});

test("the stages of a pose add up to its whole latency", () => {
  const ledger = new LatencyLedger();
  const stagesMs = { decode: 3, keypoints: 12, model: 5 };
  const pose = { captureUs: 1_000_000, publishUs: 1_030_000, stagesMs } as Pose;
  ledger.add(pose, 1_042_500);
  expect(ledger.totalMs(0.5)).toBe(42.5);
  expect(ledger.stageMs("waiting")).toBe(10);
  const sum = STAGES.reduce((total, stage) => total + (ledger.stageMs(stage) ?? Number.NaN), 0);
  expect(sum).toBe(42.5);
});

test("where this device looked at the picture, that was no waiting", () => {
  const ledger = new LatencyLedger();
  const stagesMs = { decode: 1, keypoints: 0, model: 5 };
  const pose = { captureUs: 1_000_000, publishUs: 1_050_000, stagesMs } as Pose;
  ledger.add(pose, 1_060_000, 40);
  expect(ledger.stageMs("keypoints")).toBe(40);
  expect(ledger.stageMs("waiting")).toBe(4);
});

test.each([
  [0, "none"],
  [4, "133 ms"],
  ["3", "100 ms"],
])("a lookahead of %s ticks is called %s", (ticks, name) => {
  expect(lookaheadName(ticks)).toBe(name);
});

describe("the address", () => {
  test("names the stream, the mode and what is told to the server", () => {
    const settings = settingsFrom(
      new URL("http://host/?stream=left_room&view=1&fov=70&height_m=1.8&space=unity#token=abc"),
    );
    expect(settings).toMatchObject({ stream: "left_room", view: true, token: "abc" });
    expect(settings.publish.toString()).toBe("fov=70&height_m=1.8");
  });

  test("without anything means the stream camera, published from here", () => {
    expect(settingsFrom(new URL("http://host/"))).toMatchObject({
      stream: "camera",
      view: false,
      token: null,
    });
  });

  test.each([
    ["left-room_2", true],
    ["left room", false],
    ["", false],
    ["a".repeat(65), false],
  ])("may name the stream “%s”: %s", (name, valid) => {
    expect(validStream(name)).toBe(valid);
  });

  test("of a viewer keeps stream and token and nothing else", () => {
    const viewer = viewerAddress(new URL("http://host/?stream=a&fov=70#token=abc"), "a");
    expect(viewer.href).toBe("http://host/?stream=a&view=1#token=abc");
  });
});

describe("the state", () => {
  const idle: Situation = {
    viewing: false,
    connection: "open",
    publish: "idle",
    stream: "waiting",
    person: null,
  };

  test.each<[string, Partial<Situation>]>([
    ["Ready", {}],
    ["Connecting", { publish: "starting" }],
    ["Waiting for video", { publish: "live" }],
    ["Nobody in view", { publish: "live", stream: "live" }],
    ["Looking for people", { publish: "live", stream: "live", seen: false }],
    ["Nobody in view", { viewing: true, stream: "live", seen: false }],
    ["Tracking", { publish: "live", stream: "live", person: "tracked" }],
    ["Partly hidden", { publish: "live", stream: "live", person: "occluded" }],
    ["No video arrives", { publish: "live", stream: "stalled" }],
    ["Reconnecting to the server", { publish: "live", connection: "retrying", stream: null }],
    ["Reconnecting", { publish: "retrying" }],
    ["Waiting for a camera", { viewing: true }],
    ["The stream has ended", { viewing: true, stream: "ended" }],
    ["Tracking", { viewing: true, stream: "live", person: "tracked" }],
  ])("is “%s”", (text, change) => {
    expect(statusOf({ ...idle, ...change }).text).toBe(text);
  });
});

describe("a notice", () => {
  test.each<[unknown, RegExp]>([
    [new CameraError("denied"), /not allowed/],
    [new CameraError("none"), /No camera/],
    [new CameraError("insecure"), /secure address/],
    [new Problem(409, "busy"), /Someone else/],
    [new Problem(503, "full", 5), /full/],
    [new Problem(0, "gone"), /can't be reached/],
    [new Problem(401, "no token"), /does not let/],
    [new Problem(501, "no memory"), /can't be found on this device/],
  ])("says what %s means", (error, title) => {
    expect(noticeFor(error).title).toMatch(title);
  });

  test("quotes the server's reason and when it is tried again", () => {
    expect(noticeFor(new Problem(503, "4 streams are live", 5)).text).toBe(
      "4 streams are live. Trying again in 5 s.",
    );
  });
});
