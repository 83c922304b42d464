/** Reads and writes `genmo.v1.bin`: bytes and JSON in, messages out. Does no I/O. */
import {
  NUM_JOINTS,
  NUM_LANDMARKS,
  PERSON_STATES,
  type Pose,
  type PosePerson,
  type PersonState,
} from "./pose.js";
import { WireError } from "./wire-error.js";

export const SUBPROTOCOL = "genmo.v1.bin";

const MAGIC = 0x4d47;
const MAJOR = 1;
const TYPE_POSE = 1;
const HEADER_BYTES = 48;
const PERSON_BYTES = 432;
const LANDMARKS_BYTES = 4 * 3 * NUM_LANDMARKS;
const OPTION_LANDMARKS = 1;
const ROTATION_QUAT_XYZW_F32 = 0;
const ACK = 0x10;

/** Whether a binary frame is a pose; other kinds that a later server may send are no error. */
export function isPose(buffer: ArrayBuffer): boolean {
  return buffer.byteLength < HEADER_BYTES || new DataView(buffer).getUint8(3) === TYPE_POSE;
}

/**
 * Decodes one pose frame.
 *
 * @throws WireError when a length, version, encoding or number is wrong.
 */
export function decodePose(buffer: ArrayBuffer): Pose {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES)
    throw new WireError(`${view.byteLength} bytes; expected ${HEADER_BYTES} up`);
  const magic = view.getUint16(0, true);
  if (magic !== MAGIC) throw new WireError(`magic 0x${magic.toString(16)}; expected 0x4d47`);
  const major = view.getUint8(2);
  if (major !== MAJOR) throw new WireError(`message version ${major}; this client reads ${MAJOR}`);
  const type = view.getUint8(3);
  if (type !== TYPE_POSE)
    throw new WireError(`message type ${type}; expected ${TYPE_POSE}, a pose`);

  const flags = view.getUint16(6, true);
  const pose: Pose = {
    seq: view.getUint32(8, true),
    frame: view.getUint32(12, true),
    captureUs: microseconds(view, 16),
    publishUs: microseconds(view, 24),
    skeletonRev: view.getUint32(32, true),
    flags: {
      warmup: (flags & 1) !== 0,
      generated: (flags & 2) !== 0,
      resampled: (flags & 4) !== 0,
    },
    stagesMs: {
      decode: view.getUint16(38, true) / 10,
      keypoints: view.getUint16(40, true) / 10,
      model: view.getUint16(42, true) / 10,
    },
    persons: [],
  };
  const count = view.getUint16(36, true);
  let offset = blockLength(view, 0, view.getUint16(4, true), HEADER_BYTES, "header");
  for (let i = 0; i < count; i++) {
    if (offset + 12 > view.byteLength)
      throw new WireError(`person ${i} of ${count} starts behind the end at byte ${offset}`);
    const length = blockLength(
      view,
      offset,
      view.getUint32(offset + 8, true),
      PERSON_BYTES,
      "person",
    );
    pose.persons.push(decodePerson(view, offset, length));
    offset += length;
  }
  if (offset !== view.byteLength)
    throw new WireError(`${view.byteLength - offset} bytes after the last of ${count} persons`);
  return pose;
}

function decodePerson(view: DataView, offset: number, length: number): PosePerson {
  const encoding = view.getUint8(offset + 5);
  if (encoding !== ROTATION_QUAT_XYZW_F32) throw new WireError(`rotation encoding ${encoding}`);
  const joints = view.getUint8(offset + 6);
  if (joints !== NUM_JOINTS) throw new WireError(`${joints} joints; expected ${NUM_JOINTS}`);
  const hasLandmarks = (view.getUint8(offset + 7) & OPTION_LANDMARKS) !== 0;
  if (hasLandmarks && length < PERSON_BYTES + LANDMARKS_BYTES)
    throw new WireError(`landmarks cut off: a person's block of ${length} bytes`);
  return {
    person: view.getUint32(offset, true),
    state: personState(view.getUint8(offset + 4)),
    confidence: floats(view, offset + 12, 1)[0] as number,
    pelvis: floats(view, offset + 16, 3),
    velocity: floats(view, offset + 28, 3),
    contacts: Float32Array.from({ length: 6 }, (_, i) => view.getUint8(offset + 40 + i) / 255),
    rotations: floats(view, offset + 48, 4 * NUM_JOINTS),
    landmarks: hasLandmarks ? floats(view, offset + PERSON_BYTES, 3 * NUM_LANDMARKS) : null,
  };
}

/** Checks that a block that starts at `offset` is long enough, aligned and inside the frame. */
function blockLength(
  view: DataView,
  offset: number,
  length: number,
  least: number,
  name: string,
): number {
  if (length < least || length % 8 !== 0)
    throw new WireError(`${name} of ${length} bytes; expected a multiple of 8 from ${least} up`);
  if (offset + length > view.byteLength)
    throw new WireError(`${name} ends at byte ${offset + length} of ${view.byteLength}`);
  return length;
}

function personState(number: number): PersonState {
  const state = PERSON_STATES[number];
  if (state === undefined) throw new WireError(`person state ${number}; expected 0 to 4`);
  return state;
}

function floats(view: DataView, offset: number, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(offset + 4 * i, true);
    if (!Number.isFinite(value)) throw new WireError(`${value} at byte ${offset + 4 * i}`);
    values[i] = value;
  }
  return values;
}

function microseconds(view: DataView, offset: number): number {
  const value = Number(view.getBigInt64(offset, true));
  if (!Number.isSafeInteger(value)) throw new WireError(`time ${value} µs is out of range`);
  return value;
}

/** The cumulative acknowledgement of every pose up to `seq`. */
export function encodeAck(seq: number): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(5));
  view.setUint8(0, ACK);
  view.setUint32(1, seq, true);
  return view.buffer;
}

export function encodePing(t0Us: number): string {
  return JSON.stringify({ type: "ping", t0: t0Us });
}

/** What a viewer may change while it watches. */
export interface Wish {
  rate?: number;
  persons?: number;
}

export function encodeSet({ rate, persons }: Wish): string {
  return JSON.stringify({ type: "set", rate, persons });
}
