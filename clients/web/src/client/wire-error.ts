/** A message that breaks `genmo.v1`, or is in a version or frame this client doesn't read. */
export class WireError extends Error {
  override readonly name = "WireError";
}
