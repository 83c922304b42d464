/**
 * Is it a person? The landmarker also sees people in clutter.
 *
 * As stream/genmo_stream/keypoints/plausible.py, less what MediaPipe tells of presence: in browsers
 * it doesn't.
 */
import { boxSize, type Landmarks, torsoSize } from "./body";

const MIN_SIZE = 24; // pixels of the longer edge of the box
const MIN_INSIDE = 8; // landmarks in the picture: a face alone has eleven
const MAX_BOX_PER_TORSO = 8;

/** The mean visibility that landmarks must have to be taken for a person. */
export const FOLLOWED = 0.2;
export const FOUND = 0.35;
export const FOUND_IN_PART = 0.78;

export function isPerson(
  { pixels, visibility }: Landmarks,
  width: number,
  height: number,
  leastVisible: number,
): boolean {
  const inside = pixels.filter(([x, y]) => x >= 0 && x <= width && y >= 0 && y <= height);
  const size = boxSize(pixels);
  const mean = visibility.reduce((sum, value) => sum + value, 0) / visibility.length;
  return (
    inside.length >= MIN_INSIDE &&
    size >= MIN_SIZE &&
    size <= MAX_BOX_PER_TORSO * torsoSize(pixels) &&
    mean >= leastVisible
  );
}
