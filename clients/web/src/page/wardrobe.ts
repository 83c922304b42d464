/** Dresses each person in a body of their own shape, or in the avatar that the user chose. */
import type { Figure } from "./figure";
import { BodyFigure } from "./body-figure";
import { loadBody } from "./body-model";

export class Wardrobe {
  private readonly shapes = new Map<number, readonly number[]>();
  private readonly loading = new Map<number, AbortController>();
  private avatar: ArrayBuffer | null = null;

  constructor(
    private readonly address: URL,
    private readonly headers: Record<string, string>,
    private readonly onFigure: (person: number, figure: Figure) => void,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** Somebody's figure, for whoever comes first. */
  anybody(): Promise<Figure> {
    return this.make([], new AbortController().signal);
  }

  /**
   * From now on everybody wears this avatar; null for their own bodies again.
   *
   * @returns how the file was understood. @throws Error saying why it can't be worn.
   */
  async choose(avatar: ArrayBuffer | null): Promise<string> {
    let kind = "";
    if (avatar) {
      const { loadPuppet } = await import("./puppet");
      const puppet = await loadPuppet(avatar);
      puppet.figure.dispose(); // everybody gets one of their own
      kind = puppet.kind;
    }
    this.avatar = avatar;
    for (const [person, shape] of [...this.shapes]) this.dress(person, shape);
    return kind;
  }

  /** Fetches a person's figure; a newer shape overtakes an older one. */
  dress(person: number, shape: readonly number[]): void {
    this.shapes.set(person, shape);
    this.loading.get(person)?.abort();
    const abort = new AbortController();
    this.loading.set(person, abort);
    this.make(shape, abort.signal)
      .then((figure) => {
        if (abort.signal.aborted) figure.dispose();
        else this.onFigure(person, figure);
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.onFailure(error);
      });
  }

  forget(person: number): void {
    this.loading.get(person)?.abort();
    this.loading.delete(person);
    this.shapes.delete(person);
  }

  forgetAll(keep: (person: number) => boolean): void {
    for (const person of [...this.shapes.keys()]) if (!keep(person)) this.forget(person);
  }

  private async make(shape: readonly number[], signal: AbortSignal): Promise<Figure> {
    if (!this.avatar)
      return new BodyFigure(await loadBody(this.address, shape, this.headers, signal));
    const { loadPuppet } = await import("./puppet");
    return (await loadPuppet(this.avatar)).figure;
  }
}
