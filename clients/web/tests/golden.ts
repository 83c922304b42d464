/// <reference types="node" />
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "../../protocol");

/** A golden message's bytes. */
export function bytes(path: string): ArrayBuffer {
  const file = readFileSync(join(FOLDER, path));
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer;
}

export function text(path: string): string {
  return readFileSync(join(FOLDER, path), "utf8");
}

export function json<T>(path: string): T {
  return JSON.parse(text(path)) as T;
}

export function names(folder: string): string[] {
  return readdirSync(join(FOLDER, folder));
}

export interface Expected {
  names: string[];
  parents: number[];
  targets: Record<string, { offsets: number[][] }>;
  poses: Record<
    string,
    {
      values: Record<
        string,
        { pelvis: number[]; velocity: number[]; rotations: number[][]; joints: number[][] }
      >;
    }
  >;
}
