/** The list of takes, kept up to date while something happens to one of them. */
import type { BoneNames, GenmoApi, Solve, Take, TakeFormat } from "../client/api";
import { element } from "./element";
import { make } from "./make";
import { type TakeActions, TakeRow } from "./take-row";

const BUSY_MS = 1000;
const IDLE_MS = 15_000; // other pages record, too

export class TakesPanel {
  private readonly panel = element<HTMLDetailsElement>("takes");
  private readonly list = element("take-list");
  private readonly empty = element("take-empty");
  private readonly count = element("take-count");
  private readonly rows = new Map<string, TakeRow>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private loaded = false;

  constructor(
    private readonly api: GenmoApi,
    private readonly onTakes: (takes: readonly Take[]) => void,
    private readonly onPreview: (take: Take, solves: readonly Solve[]) => void,
    private readonly onRemoved: (take: Take) => void,
    private readonly onError: (what: string, error: unknown) => void,
  ) {}

  /** Asks the server, shows the list, and asks again later. */
  async refresh(): Promise<void> {
    clearTimeout(this.timer);
    let busy = false;
    try {
      const takes = await this.api.takes();
      busy = takes.some(({ recording, solve }) => recording || unfinished(solve?.state));
      this.show(takes);
      this.onTakes(takes);
    } catch {
      // The server is gone or lets nobody in, which the page's state says already.
    }
    clearTimeout(this.timer); // another refresh may have been faster
    this.timer = setTimeout(() => void this.refresh(), busy ? BUSY_MS : IDLE_MS);
  }

  private show(takes: readonly Take[]): void {
    for (const [id, row] of this.rows) {
      if (takes.some((take) => take.id === id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    let before: Element | null = this.list.firstElementChild;
    for (const take of takes) {
      let row = this.rows.get(take.id);
      if (row) row.update(take);
      else {
        row = new TakeRow(take, this.actions);
        this.rows.set(take.id, row);
        // One that was just recorded is what its user looks for.
        if (this.loaded) this.panel.open = true;
      }
      if (row.item === before) before = before.nextElementSibling;
      else this.list.insertBefore(row.item, before);
    }
    this.loaded = true;
    this.empty.hidden = takes.length > 0;
    this.count.textContent = takes.length > 0 ? String(takes.length) : "";
  }

  private readonly actions: TakeActions = {
    preview: (take, solves) => this.onPreview(take, solves),
    download: (take, format, solve, bones) =>
      void this.attempt("The take can't be downloaded", () =>
        this.download(take, format, solve, bones),
      ),
    solve: (take) =>
      void this.attempt("The take can't be solved again", () => this.api.solveTake(take.id)),
    rename: (take, name) =>
      void this.attempt("The take can't be renamed", () => this.api.renameTake(take.id, name)),
    remove: (take) =>
      void this.attempt("The take can't be deleted", async () => {
        await this.api.deleteTake(take.id);
        this.onRemoved(take);
      }),
  };

  private async attempt(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.onError(what, error);
    }
    await this.refresh();
  }

  private async download(
    take: Take,
    format: TakeFormat,
    solve: Solve,
    bones: BoneNames,
  ): Promise<void> {
    // The JSON lines are the stream as viewers got it: a second solve has none.
    const options = { bones, solve: format === "jsonl" ? "live" : solve } as const;
    const { name, content } = await this.api.download(take.id, format, options);
    const address = URL.createObjectURL(content);
    make("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

function unfinished(state: string | undefined): boolean {
  return state === "queued" || state === "running";
}
