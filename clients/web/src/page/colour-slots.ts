/** Each person's place in the row of colours; who comes back has theirs again. */
export class ColourSlots {
  private readonly present = new Map<number, number>();
  private readonly left = new Map<number, number>();

  /**
   * The place of somebody who comes: their own of before, else the first that is nobody's.
   *
   * @param colours how many there are: before a place beyond them is given, one of those who left.
   */
  enter(person: number, colours: number): number {
    const taken = new Set(this.present.values());
    const own = this.left.get(person);
    let slot = own !== undefined && !taken.has(own) ? own : null;
    slot ??= firstBeside(new Set([...taken, ...this.left.values()]));
    if (slot >= colours) slot = firstBeside(taken);
    this.left.delete(person);
    for (const [other, theirs] of [...this.left]) if (theirs === slot) this.left.delete(other);
    this.present.set(person, slot);
    return slot;
  }

  leave(person: number): void {
    const slot = this.present.get(person);
    if (slot === undefined) return;
    this.present.delete(person);
    this.left.set(person, slot);
  }

  /** From now on nobody who left is waited for. */
  forget(): void {
    this.left.clear();
  }

  /** The place of somebody who is there. */
  of(person: number): number {
    return this.present.get(person) ?? 0;
  }
}

/** The first place that isn't among these. */
function firstBeside(taken: ReadonlySet<number>): number {
  let slot = 0;
  while (taken.has(slot)) slot++;
  return slot;
}
