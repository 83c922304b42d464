/** One person's poses of a take, from its .npz, at any moment. */
import { Quaternion, Vector3 } from "three";
import { betweenPersons } from "../client/interpolate";
import { NUM_JOINTS, type PosePerson } from "../client/pose";
import { MEAN_PROPORTIONS, type Proportions } from "./figure";
import { type NpyArray, readNpz } from "./npz";

export class TakeTrack {
  private constructor(
    readonly shape: readonly number[],
    readonly proportions: Proportions,
    /** Unix µs of every pose, growing. */
    private readonly times: readonly number[],
    private readonly poses: readonly PosePerson[],
  ) {}

  /** @throws Error when the file lacks an array. */
  static read(bytes: Uint8Array): TakeTrack {
    const arrays = readNpz(bytes);
    const get = (name: string) => numbers(arrays, name);
    const times = get("t_capture_us");
    const [axisAngles, trans, rest, contacts] = [
      get("poses"),
      get("trans"),
      get("pelvis_rest"),
      get("contacts"),
    ];
    const confidence = get("confidence");
    const poses = times.map((_, n): PosePerson => {
      return {
        person: 0,
        state: (confidence[n] ?? 0) > 0 ? "tracked" : "occluded",
        confidence: confidence[n] ?? 0,
        pelvis: Float32Array.from({ length: 3 }, (_, i) => trans[3 * n + i]! + rest[i]!),
        velocity: new Float32Array(3),
        contacts: Float32Array.from(contacts.slice(6 * n, 6 * n + 6)),
        rotations: quaternions(axisAngles, 3 * NUM_JOINTS * n),
        landmarks: null,
      };
    });
    if (poses.length === 0) throw new Error("the take has no poses");
    return new TakeTrack(get("shape"), legs(get("joints")), times, poses);
  }

  get startUs(): number {
    return this.times[0]!;
  }

  get endUs(): number {
    return this.times.at(-1)!;
  }

  /** The pose at a moment, blended from the two around it; null before the first and after the last. */
  at(us: number): PosePerson | null {
    if (us < this.startUs || us > this.endUs) return null;
    let low = 0;
    for (let high = this.times.length - 1; high - low > 1;) {
      const middle = (low + high) >> 1;
      if (this.times[middle]! <= us) low = middle;
      else high = middle;
    }
    const [from, to] = [this.poses[low]!, this.poses[low + 1]];
    if (!to) return from;
    const since = this.times[low]!;
    return betweenPersons(from, to, (us - since) / (this.times[low + 1]! - since));
  }
}

function numbers(arrays: Map<string, NpyArray>, name: string): number[] {
  const array = arrays.get(name);
  if (!array) throw new Error(`the take's file has no ${name}`);
  return Array.from(array.values, Number);
}

function quaternions(axisAngles: readonly number[], at: number): Float32Array {
  const out = new Float32Array(4 * NUM_JOINTS);
  const axis = new Vector3();
  const turn = new Quaternion();
  for (let joint = 0; joint < NUM_JOINTS; joint++) {
    axis.fromArray(axisAngles, at + 3 * joint);
    const angle = axis.length();
    turn.setFromAxisAngle(axis.normalize(), angle).toArray(out, 4 * joint);
  }
  return out;
}

/** From the joints of the first pose; the rest of the body is taken to be as long as the legs. */
function legs(joints: readonly number[]): Proportions {
  const at = (joint: number) => new Vector3().fromArray(joints, 3 * joint);
  const legM = at(1).distanceTo(at(4)) + at(4).distanceTo(at(7));
  if (!(legM > 0)) return MEAN_PROPORTIONS;
  return { legM, pelvisM: (MEAN_PROPORTIONS.pelvisM * legM) / MEAN_PROPORTIONS.legM };
}
