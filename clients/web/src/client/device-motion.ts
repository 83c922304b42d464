/**
 * How a device's orientation becomes its camera's gravity and rotation rate, in the camera's axes:
 * x right and y down in the picture as it is sent, z forward.
 *
 * Both come from `deviceorientation`. It is already fused from gyroscope and accelerometer, so hands
 * hardly shake it, and it means the same everywhere; `devicemotion` has the opposite sign on iOS, and
 * its rates are about other axes than the standard says in some browsers.
 */

export type Facing = "user" | "environment";

/** What the server is told: gravity in m/s², rates in rad/s. */
export interface MotionSample {
  tUs: number;
  gravity: Vector;
  rotationRate: Vector;
}

/** As DeviceOrientationEvent has them, degrees: about z, then x, then y. */
export interface Orientation {
  alpha: number;
  beta: number;
  gamma: number;
}

type Vector = readonly [number, number, number];
/** Three rows. */
export type Matrix = readonly [Vector, Vector, Vector];

const GRAVITY = 9.80665;
const LONGEST_STEP_US = 250_000; // what turned meanwhile is not told: something stood still

/** Turns orientations of one device into samples of its camera. */
export class CameraMotion {
  private last: { tUs: number; camera: Matrix } | null = null;

  constructor(private readonly facing: Facing) {}

  /**
   * @param orientation of the device.
   * @param screenAngle of the page on it: `screen.orientation.angle`, degrees.
   * @param tUs Unix time, microseconds.
   * @returns null for the first orientation, and where time doesn't go on.
   */
  step(orientation: Orientation, screenAngle: number, tUs: number): MotionSample | null {
    const camera = multiply(deviceToWorld(orientation), cameraAxes(this.facing, screenAngle));
    const last = this.last;
    if (last && tUs <= last.tUs) return null;
    this.last = { tUs, camera };
    if (!last || tUs - last.tUs > LONGEST_STEP_US) return null;
    const turn = rotationVector(multiply(transposed(last.camera), camera));
    const perSecond = 1e6 / (tUs - last.tUs);
    const [, , up] = camera;
    return {
      tUs,
      gravity: scaled(up, -GRAVITY),
      rotationRate: scaled(turn, perSecond),
    };
  }
}

/** The sample as the server reads it. */
export function encodeSample(sample: MotionSample): string {
  const rounded = (vector: Vector) => vector.map((value) => Number(value.toFixed(5)));
  return JSON.stringify({
    type: "sensor",
    t_capture_us: Math.round(sample.tUs),
    gravity: rounded(sample.gravity),
    rotation_rate: rounded(sample.rotationRate),
  });
}

/** Device to world, z up: R = Z(alpha) X(beta) Y(gamma) (Device Orientation and Motion, W3C). */
export function deviceToWorld({ alpha, beta, gamma }: Orientation): Matrix {
  const [a, b, c] = [alpha, beta, gamma].map((degrees) => (degrees * Math.PI) / 180) as [
    number,
    number,
    number,
  ];
  const z: Matrix = [
    [Math.cos(a), -Math.sin(a), 0],
    [Math.sin(a), Math.cos(a), 0],
    [0, 0, 1],
  ];
  const x: Matrix = [
    [1, 0, 0],
    [0, Math.cos(b), -Math.sin(b)],
    [0, Math.sin(b), Math.cos(b)],
  ];
  const y: Matrix = [
    [Math.cos(c), 0, Math.sin(c)],
    [0, 1, 0],
    [-Math.sin(c), 0, Math.cos(c)],
  ];
  return multiply(multiply(z, x), y);
}

/**
 * The camera's axes, as columns, in the device's: x to the right edge of the screen in its natural
 * orientation, y to its top, z out of it. Pictures are upright for the screen as it is turned.
 */
export function cameraAxes(facing: Facing, screenAngle: number): Matrix {
  const angle = (screenAngle * Math.PI) / 180;
  const right: Vector = [Math.cos(angle), -Math.sin(angle), 0];
  const down: Vector = [-Math.sin(angle), -Math.cos(angle), 0];
  const back = facing === "environment";
  const x = back ? right : scaled(right, -1);
  return transposed([x, down, [0, 0, back ? -1 : 1]]);
}

/** Axis times angle, radians; for angles below half a turn. */
export function rotationVector(m: Matrix): Vector {
  const vee: Vector = [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]];
  const sine = Math.hypot(...vee) / 2;
  const angle = Math.atan2(sine, (m[0][0] + m[1][1] + m[2][2] - 1) / 2);
  return scaled(vee, sine > 1e-9 ? angle / sine / 2 : 0.5);
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const columns = transposed(b);
  const row = (r: Vector): Vector => [dot(r, columns[0]), dot(r, columns[1]), dot(r, columns[2])];
  return [row(a[0]), row(a[1]), row(a[2])];
}

function transposed(m: Matrix): Matrix {
  return [
    [m[0][0], m[1][0], m[2][0]],
    [m[0][1], m[1][1], m[2][1]],
    [m[0][2], m[1][2], m[2][2]],
  ];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function scaled([x, y, z]: Vector, factor: number): Vector {
  return [x * factor, y * factor, z * factor];
}
