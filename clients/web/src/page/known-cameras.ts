/** How wide known webcams see: their names come from the system, their angles from data sheets. */

/** A camera by its name as browsers tell it, and its focal length in heights of its picture. */
interface KnownCamera {
  name: RegExp;
  focal: number;
}

// Data sheets give the diagonal of 16:9. Only fixed lenses: a Brio or a phone has several angles.
const KNOWN: readonly KnownCamera[] = [
  { name: /\bC(920|922|925e)\b/i, focal: ofDiagonal(78) },
  { name: /\bC930e\b/i, focal: ofDiagonal(90) },
  { name: /\bC525\b/i, focal: ofDiagonal(69) },
  { name: /\bStreamCam\b/i, focal: ofDiagonal(78) },
];

/**
 * The field of view along the longer side in degrees, or null for a camera that isn't known.
 *
 * These cameras cut the sides off for 4:3 and keep the height, which therefore carries the lens.
 *
 * @param label the camera's name, as its track tells it.
 * @param width of the picture as the camera gives it, pixels.
 * @param height of it.
 * @param zoom how many times it is magnified.
 */
export function knownFieldOfView(
  label: string,
  width: number,
  height: number,
  zoom = 1,
): number | null {
  const known = KNOWN.find(({ name }) => name.test(label));
  if (!known || !(width > 0) || !(height > 0) || !(zoom >= 1)) return null;
  const half = Math.max(width, height) / (2 * known.focal * zoom * height);
  return (360 / Math.PI) * Math.atan(half);
}

/** Focal length in heights of a 16:9 picture whose diagonal spans an angle in degrees. */
function ofDiagonal(angle: number): number {
  return Math.hypot(16, 9) / 9 / 2 / Math.tan((angle * Math.PI) / 360);
}
