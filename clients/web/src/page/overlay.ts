/** Draws the 2D landmarks over the camera picture. */
import type { PosePerson } from "../client/pose";

/** Pairs of MediaPipe landmarks joined by a line; the face stays free but for its outline. */
const LINES: readonly (readonly [number, number])[] = [
  [7, 8],
  [11, 12],
  [11, 13],
  [13, 15],
  [15, 19],
  [12, 14],
  [14, 16],
  [16, 20],
  [11, 23],
  [12, 24],
  [23, 24],
  [23, 25],
  [25, 27],
  [27, 29],
  [29, 31],
  [27, 31],
  [24, 26],
  [26, 28],
  [28, 30],
  [30, 32],
  [28, 32],
];
const POINTS = [0, 7, 8, 11, 12, 13, 14, 15, 16, 19, 20, 23, 24, 25, 26, 27, 28, 31, 32];
const LEAST_VISIBILITY = 0.3;
const ALONE = "#5eead4";

export class Overlay {
  private readonly context: CanvasRenderingContext2D;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no 2D canvas");
    this.context = context;
    new ResizeObserver(([entry]) => entry && this.resize(entry.contentRect)).observe(canvas);
  }

  /** @param colourOf several persons are told apart by the colours of their bodies. */
  draw(persons: readonly PosePerson[], colourOf: (person: number) => string): void {
    this.clear();
    for (const { person, landmarks } of persons)
      if (landmarks) this.drawPerson(landmarks, persons.length > 1 ? colourOf(person) : ALONE);
  }

  clear(): void {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  private resize({ width, height }: DOMRectReadOnly): void {
    const ratio = Math.min(window.devicePixelRatio, 2);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
  }

  /** A line's half width: finer for people who are small in the picture. */
  private unitFor(landmarks: Float32Array): number {
    const heights = POINTS.map((point) => landmarks[3 * point + 1] ?? 0);
    const share = Math.max(...heights) - Math.min(...heights);
    const { width, height } = this.canvas;
    return (Math.max(width, height) / 320) * Math.min(1, Math.max(0.45, share / 0.6));
  }

  private drawPerson(landmarks: Float32Array, css: string): void {
    const { context, canvas } = this;
    const unit = this.unitFor(landmarks);
    const x = (point: number) => (landmarks[3 * point] ?? 0) * canvas.width;
    const y = (point: number) => (landmarks[3 * point + 1] ?? 0) * canvas.height;
    const visible = (point: number) => (landmarks[3 * point + 2] ?? 0) >= LEAST_VISIBILITY;
    context.lineCap = "round";
    // A dark line under the light one keeps it readable on every picture.
    for (const [colour, width] of [
      ["rgb(0 0 0 / 0.35)", 4 * unit],
      [css, 2 * unit],
    ] as const) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      for (const [from, to] of LINES) {
        if (!visible(from) || !visible(to)) continue;
        context.moveTo(x(from), y(from));
        context.lineTo(x(to), y(to));
      }
      context.stroke();
    }
    context.fillStyle = "#ffffff";
    context.beginPath();
    for (const point of POINTS) {
      if (!visible(point)) continue;
      context.moveTo(x(point) + 1.8 * unit, y(point));
      context.arc(x(point), y(point), 1.8 * unit, 0, 2 * Math.PI);
    }
    context.fill();
  }
}
