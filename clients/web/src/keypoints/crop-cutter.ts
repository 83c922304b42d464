/** Windows of a picture, drawn at the size that the landmarker likes, people painted over. */
import { coverOf } from "./cover";
import { CROP_SIZE, type Point, type Window } from "./crops";

/** What a picture may come as. */
export type Picture = VideoFrame | ImageBitmap;

const CHANNELS = 4;
const EVERY = 61; // pixels that the mean colour goes by: no divisor of a row's length

export class CropCutter {
  private readonly context = new OffscreenCanvas(CROP_SIZE, CROP_SIZE).getContext("2d", {
    alpha: false,
    willReadFrequently: true,
  })!;

  /** RGBA of a window, black beyond the picture; `others`' landmarks are painted over. */
  cut(picture: Picture, window: Window, others: readonly (readonly Point[])[]): Uint8ClampedArray {
    this.draw(picture, window);
    const crop = this.read();
    if (others.length === 0) return crop;
    this.context.fillStyle = this.context.strokeStyle = meanColour(crop);
    for (const pixels of others) this.cover(pixels, window);
    return this.read();
  }

  private read(): Uint8ClampedArray {
    return this.context.getImageData(0, 0, CROP_SIZE, CROP_SIZE).data;
  }

  private draw(picture: Picture, { x, y, side }: Window): void {
    const [width, height] = sizeOf(picture);
    const zoom = CROP_SIZE / side;
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, CROP_SIZE, CROP_SIZE);
    const left = Math.max(x, 0);
    const top = Math.max(y, 0);
    const right = Math.min(x + side, width);
    const bottom = Math.min(y + side, height);
    if (right <= left || bottom <= top) return;
    this.context.imageSmoothingQuality = zoom < 0.5 ? "medium" : "low";
    this.context.drawImage(
      picture,
      left,
      top,
      right - left,
      bottom - top,
      (left - x) * zoom,
      (top - y) * zoom,
      (right - left) * zoom,
      (bottom - top) * zoom,
    );
  }

  private cover(pixels: readonly Point[], window: Window): void {
    const { hull, margin } = coverOf(pixels, window);
    this.context.beginPath();
    for (const [x, y] of hull) this.context.lineTo(x, y);
    this.context.closePath();
    this.context.lineJoin = "round";
    this.context.lineWidth = 2 * margin;
    this.context.fill();
    this.context.stroke();
  }
}

export function sizeOf(picture: Picture): [width: number, height: number] {
  if ("displayWidth" in picture) return [picture.displayWidth, picture.displayHeight];
  return [picture.width, picture.height];
}

function meanColour(rgba: Uint8ClampedArray): string {
  const sum = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < rgba.length; at += CHANNELS * EVERY, count++)
    for (let c = 0; c < 3; c++) sum[c]! += rgba[at + c]!;
  return `rgb(${sum.map((value) => Math.round(value / count)).join(" ")})`;
}
