/** Reads numpy's .npz: a zip of .npy files (numpy's NEP 1), numbers only. */
import { unzipSync } from "three/examples/jsm/libs/fflate.module.js";

export interface NpyArray {
  shape: number[];
  values: Float32Array | Float64Array | BigInt64Array;
}

const NPY = ".npy";
const MAGIC = "\x93NUMPY";
const HEADER_AT = 10;

/**
 * The arrays of numbers in the file, by name; those of text are left out.
 *
 * @throws Error when it is not an .npz.
 */
export function readNpz(bytes: Uint8Array): Map<string, NpyArray> {
  const arrays = new Map<string, NpyArray>();
  for (const [name, content] of Object.entries(unzipSync(bytes))) {
    const array = readNpy(content);
    if (array && name.endsWith(NPY)) arrays.set(name.slice(0, -NPY.length), array);
  }
  return arrays;
}

function readNpy(bytes: Uint8Array): NpyArray | null {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC || bytes[6] !== 1) throw new Error("not a .npy file of version 1");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = HEADER_AT + view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(bytes.subarray(HEADER_AT, start));
  const kind = /'descr': '([^']+)'/.exec(header)?.[1];
  const listed = /'shape': \(([^)]*)\)/.exec(header)?.[1] ?? "";
  if (header.includes("'fortran_order': True")) throw new Error("columns first; expected rows");
  const shape = listed
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);
  const raw = bytes.slice(start).buffer; // a copy, so that numbers are aligned
  switch (kind) {
    case "<f4":
      return { shape, values: new Float32Array(raw) };
    case "<f8":
      return { shape, values: new Float64Array(raw) };
    case "<i8":
      return { shape, values: new BigInt64Array(raw) };
    default:
      return null;
  }
}
