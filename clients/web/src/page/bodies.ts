/** Dresses each person of the stream in a body of their own shape. */
import type { Subject } from "../client/control";
import { type BodyModel, loadBody } from "./body-model";

export class Bodies {
  private readonly loading = new Map<number, AbortController>();

  constructor(
    private readonly address: URL,
    private readonly headers: Record<string, string>,
    private readonly onBody: (person: number, body: BodyModel) => void,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** The mean body, for whoever comes first. */
  async mean(): Promise<BodyModel> {
    return loadBody(this.address, [], this.headers, new AbortController().signal);
  }

  /** Fetches the body a `subject` message asks for; a newer shape overtakes an older one. */
  follow({ person, state, shape }: Subject): void {
    this.loading.get(person)?.abort();
    this.loading.delete(person);
    if (state === "leave") return;
    const abort = new AbortController();
    this.loading.set(person, abort);
    loadBody(this.address, shape, this.headers, abort.signal)
      .then((body) => {
        if (!abort.signal.aborted) this.onBody(person, body);
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.onFailure(error);
      });
  }

  forget(): void {
    for (const abort of this.loading.values()) abort.abort();
    this.loading.clear();
  }
}
