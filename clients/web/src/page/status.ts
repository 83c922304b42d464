/** What the page says about where things stand: one short state and one hint. */
import type { ConnectionState } from "../client/connection";
import type { StreamState } from "../client/control";
import type { PersonState } from "../client/pose";
import type { PublishState } from "../client/publisher";

export interface Situation {
  viewing: boolean;
  connection: ConnectionState["kind"];
  publish: PublishState["kind"];
  stream: StreamState | null;
  person: PersonState | null;
  /** Whether somebody was seen since the stream went live; not told: yes. */
  seen?: boolean;
}

export type Tone = "idle" | "busy" | "good" | "warn" | "bad";

export interface Status {
  tone: Tone;
  text: string;
  /** What the person may do now; "" when the body speaks for itself. */
  hint: string;
}

const PERSON: Record<PersonState, Status> = {
  tracked: { tone: "good", text: "Tracking", hint: "" },
  generated: { tone: "good", text: "Filling in", hint: "" },
  occluded: { tone: "warn", text: "Partly hidden", hint: "" },
  warmup: { tone: "busy", text: "Finding the body", hint: "" },
  lost: {
    tone: "warn",
    text: "Lost sight",
    hint: "Step back until the camera sees you from head to feet.",
  },
};

export function statusOf(now: Situation): Status {
  if (now.connection === "refused") return { tone: "bad", text: "Not connected", hint: "" };
  if (now.connection === "retrying")
    return { tone: "bad", text: "Reconnecting to the server", hint: "" };
  if (now.publish === "starting") return { tone: "busy", text: "Connecting", hint: "" };
  if (now.publish === "retrying") return { tone: "busy", text: "Reconnecting", hint: "" };
  if (now.stream === "live") return now.person ? PERSON[now.person] : nobody(now);
  if (now.stream === "stalled")
    return { tone: "warn", text: "No video arrives", hint: "The camera's connection is stuck." };
  if (now.publish === "live") return { tone: "busy", text: "Waiting for video", hint: "" };
  if (now.viewing)
    return {
      tone: "idle",
      text: now.stream === "ended" ? "The stream has ended" : "Waiting for a camera",
      hint: "The body appears when somebody starts a camera on this stream.",
    };
  return {
    tone: "idle",
    text: now.connection === "connecting" ? "Connecting" : "Ready",
    hint: "Press Start and stand where the camera sees you from head to feet.",
  };
}

function nobody({ publish, seen = true }: Situation): Status {
  if (publish === "live" && !seen)
    return {
      tone: "busy",
      text: "Looking for people",
      hint: "Stand where the camera sees you from head to feet.",
    };
  const hint = publish === "live" ? "Step back until the camera sees you from head to feet." : "";
  return { tone: "warn", text: "Nobody in view", hint };
}
