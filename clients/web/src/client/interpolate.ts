/** Poses between poses. */
import { NUM_JOINTS, type Pose, type PosePerson } from "./pose.js";

/**
 * The pose at `share` (0..1) of the way from one to the next. Who is in both is blended: positions
 * linearly, rotations by slerp. Who is only in the first stays until the next is reached.
 */
export function between(from: Pose, to: Pose, share: number): Pose {
  const nearer = share < 0.5 ? from : to;
  const later = new Map(to.persons.map((person) => [person.person, person]));
  return {
    ...nearer,
    seq: from.seq,
    captureUs: mix(from.captureUs, to.captureUs, share),
    publishUs: mix(from.publishUs, to.publishUs, share),
    persons: from.persons.map((person) => {
      const next = later.get(person.person);
      return next ? betweenPersons(person, next, share) : person;
    }),
  };
}

export function betweenPersons(from: PosePerson, to: PosePerson, share: number): PosePerson {
  return {
    ...(share < 0.5 ? from : to),
    pelvis: mixed(from.pelvis, to.pelvis, share),
    velocity: mixed(from.velocity, to.velocity, share),
    contacts: mixed(from.contacts, to.contacts, share),
    rotations: slerped(from.rotations, to.rotations, share),
  };
}

/** The pose some µs later, if everybody's pelvis keeps its velocity and the rest of them stays. */
export function after(pose: Pose, us: number): Pose {
  const seconds = us / 1e6;
  return {
    ...pose,
    captureUs: pose.captureUs + us,
    publishUs: pose.publishUs + us,
    persons: pose.persons.map((person) => ({
      ...person,
      pelvis: person.pelvis.map((value, axis) => value + seconds * person.velocity[axis]!),
    })),
  };
}

function mix(from: number, to: number, share: number): number {
  return from + share * (to - from);
}

function mixed(from: Float32Array, to: Float32Array, share: number): Float32Array {
  return from.map((value, i) => mix(value, to[i]!, share));
}

/** Slerp of (24 × 4) quaternions xyzw, each the short way round. */
function slerped(from: Float32Array, to: Float32Array, share: number): Float32Array {
  const out = new Float32Array(4 * NUM_JOINTS);
  for (let at = 0; at < out.length; at += 4) {
    let cosine = 0;
    for (let i = at; i < at + 4; i++) cosine += from[i]! * to[i]!;
    const sign = cosine < 0 ? -1 : 1;
    const angle = Math.acos(Math.min(1, Math.abs(cosine)));
    const sine = Math.sin(angle);
    // So close together that a straight line is as good, and doesn't divide by nothing.
    const a = sine < 1e-4 ? 1 - share : Math.sin((1 - share) * angle) / sine;
    const b = sign * (sine < 1e-4 ? share : Math.sin(share * angle) / sine);
    let norm = 0;
    for (let i = at; i < at + 4; i++) {
      out[i] = a * from[i]! + b * to[i]!;
      norm += out[i]! * out[i]!;
    }
    norm = Math.sqrt(norm) || 1;
    for (let i = at; i < at + 4; i++) out[i]! /= norm;
  }
  return out;
}
