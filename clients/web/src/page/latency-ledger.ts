/** Where the time of a pose went: from its capture to its drawing, stage by stage, in ms. */
import type { Pose } from "../client/pose";
import { Rolling } from "./rolling";

export const STAGES = ["decode", "keypoints", "model", "waiting", "delivery"] as const;
export type Stage = (typeof STAGES)[number];

export class LatencyLedger {
  private readonly total = new Rolling();
  private readonly stages = new Map<Stage, Rolling>(STAGES.map((stage) => [stage, new Rolling()]));

  /**
   * @param shownUs when the pose was drawn, on the server's clock.
   * @param lookMs how long this device looked at the picture, where the server didn't.
   */
  add(pose: Pose, shownUs: number, lookMs = 0): void {
    const { decode, model } = pose.stagesMs;
    const keypoints = pose.stagesMs.keypoints + lookMs;
    const publishing = (pose.publishUs - pose.captureUs) / 1000;
    const times: Record<Stage, number> = {
      decode,
      keypoints,
      model,
      waiting: Math.max(0, publishing - decode - keypoints - model),
      delivery: Math.max(0, (shownUs - pose.publishUs) / 1000),
    };
    for (const stage of STAGES) this.stages.get(stage)?.add(times[stage]);
    this.total.add((shownUs - pose.captureUs) / 1000);
  }

  clear(): void {
    this.total.clear();
    for (const stage of this.stages.values()) stage.clear();
  }

  totalMs(share: number): number | null {
    return this.total.percentile(share);
  }

  stageMs(stage: Stage): number | null {
    return this.stages.get(stage)?.percentile(0.5) ?? null;
  }
}
