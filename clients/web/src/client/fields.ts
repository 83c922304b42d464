/** Typed access to a JSON object's fields; every mismatch is a WireError naming the field. */
import { WireError } from "./wire-error.js";

export class Fields {
  private constructor(private readonly values: Record<string, unknown>) {}

  static parse(text: string): Fields {
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      throw new WireError("a text frame that is not JSON");
    }
    return Fields.of(parsed, "a text frame");
  }

  private static of(value: unknown, name: string): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new WireError(`${name} that is not a JSON object`);
    return new Fields(value as Record<string, unknown>);
  }

  has(name: string): boolean {
    return this.values[name] !== undefined && this.values[name] !== null;
  }

  text(name: string): string {
    const value = this.values[name];
    return typeof value === "string" ? value : this.fail(name, "text");
  }

  number(name: string): number {
    const value = this.values[name];
    return isNumber(value) ? value : this.fail(name, "a number");
  }

  /** @param count how many there must be; any number of them if left out. */
  numbers(name: string, count?: number): number[] {
    const value = this.values[name];
    const fits = areNumbers(value) && (count === undefined || value.length === count);
    return fits ? value : this.fail(name, `a list of ${count ?? ""} numbers`);
  }

  /** `count` × [x, y, z]. */
  points(name: string, count: number): number[][] {
    const value = this.values[name];
    const fits =
      Array.isArray(value) &&
      value.length === count &&
      value.every((point) => areNumbers(point) && point.length === 3);
    return fits ? (value as number[][]) : this.fail(name, `${count} × [x, y, z]`);
  }

  object(name: string): Fields {
    return Fields.of(this.values[name], name);
  }

  objects(name: string): Fields[] {
    const value = this.values[name];
    if (!Array.isArray(value)) return this.fail(name, "a list");
    return value.map((item) => Fields.of(item, `an entry of ${name}`));
  }

  /** A code, which may be a number or text. */
  word(name: string): string {
    const value = this.values[name];
    return typeof value === "string" || isNumber(value)
      ? String(value)
      : this.fail(name, "text or a number");
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.values[name];
    return allowed.find((item) => item === value) ?? this.fail(name, allowed.join(" or "));
  }

  private fail(name: string, expected: string): never {
    const value = JSON.stringify(this.values[name]) ?? "missing";
    const shown = value.length > 80 ? `${value.slice(0, 80)}…` : value;
    throw new WireError(`${name} is ${shown}; expected ${expected}`);
  }
}

/** JSON has no NaN, but 1e999 is read as infinity. */
function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function areNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isNumber);
}
