/** Outputs to other programs: the list of sinks, and a form that adds one. */
import type { GenmoApi, Sink, SinkKind, SinkSettings } from "../client/api";
import { element } from "./element";
import { button, make } from "./make";

const WATCH_MS = 2000;
const NAMES: Record<SinkKind, string> = { vmc: "VMC", vrchat: "VRChat", zmq: "ZMQ" };
const EXAMPLES: Record<SinkKind, string> = {
  vmc: "127.0.0.1:39539",
  vrchat: "127.0.0.1:9000",
  zmq: "tcp://127.0.0.1:5556",
};

export class SinksPanel {
  private readonly panel = element<HTMLDetailsElement>("sinks");
  private readonly list = element("sink-list");
  private readonly count = element("sink-count");
  private readonly form = element<HTMLFormElement>("sink-form");
  private readonly to = element<HTMLInputElement>("sink-to");
  private readonly persons = element<HTMLInputElement>("sink-persons");
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly api: GenmoApi,
    private readonly stream: string,
    private readonly onError: (what: string, error: unknown) => void,
  ) {
    this.panel.addEventListener("toggle", () => this.watch(this.panel.open));
    this.form.addEventListener("change", () => this.fit());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.add();
    });
    this.fit();
  }

  async refresh(): Promise<void> {
    try {
      this.show(await this.api.sinks());
    } catch {
      // The server is gone or lets nobody in, which the page's state says already.
    }
  }

  /** How they go is asked for while somebody looks. */
  private watch(open: boolean): void {
    clearInterval(this.timer);
    if (!open) return;
    void this.refresh();
    this.timer = setInterval(() => void this.refresh(), WATCH_MS);
  }

  private get kind(): SinkKind {
    return new FormData(this.form).get("kind") as SinkKind;
  }

  /** Shows the fields that the chosen kind has. */
  private fit(): void {
    const vrchat = this.kind === "vrchat";
    this.to.placeholder = EXAMPLES[this.kind];
    element("sink-vrchat").hidden = !vrchat;
    this.persons.disabled = vrchat; // it takes one person
    if (vrchat) this.persons.value = "1";
  }

  private async add(): Promise<void> {
    try {
      await this.api.addSink(this.settings());
      this.to.value = "";
    } catch (error) {
      this.onError("This output can't be added", error);
    }
    await this.refresh();
  }

  private settings(): SinkSettings {
    const form = new FormData(this.form);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const { kind } = this;
    const rate = text("rate");
    const height = text("height_m");
    return {
      kind,
      to: text("to") || EXAMPLES[kind],
      stream: this.stream,
      persons: Number(text("persons") || "1"),
      mirror: form.has("mirror"),
      ...(rate ? { rate: Number(rate) } : {}),
      ...(kind === "vrchat" ? { preset: text("preset") as "full" } : {}),
      ...(kind === "vrchat" && height ? { height_m: Number(height) } : {}),
    };
  }

  private async remove(sink: Sink): Promise<void> {
    try {
      await this.api.removeSink(sink.id);
    } catch (error) {
      this.onError("This output can't be removed", error);
    }
    await this.refresh();
  }

  private show(sinks: readonly Sink[]): void {
    this.count.textContent = sinks.length > 0 ? String(sinks.length) : "";
    for (const item of [...this.list.children] as HTMLElement[])
      if (!sinks.some(({ id }) => id === item.dataset["sink"])) item.remove();
    for (const sink of sinks) {
      const item = this.item(sink);
      const status = item.querySelector<HTMLElement>(".sink-status");
      if (!status) continue;
      status.textContent = statusOf(sink);
      status.dataset["tone"] = sink.status.error ? "bad" : "quiet";
    }
  }

  /** The entry of a sink, kept between refreshes so that a focused button stays focused. */
  private item(sink: Sink): HTMLElement {
    const items = [...this.list.children] as HTMLElement[];
    const known = items.find(({ dataset }) => dataset["sink"] === sink.id);
    if (known) return known;
    const what = `${NAMES[sink.kind]} → ${sink.to}${sink.mirror ? ", mirrored" : ""}`;
    const remove = button("Remove", () => void this.remove(sink), `Stop sending to ${sink.to}`);
    const text = make(
      "div",
      {},
      make("span", { className: "sink-name" }, what),
      make("span", { className: "sink-status" }),
    );
    const item = make("li", { className: "sink" }, text, remove);
    item.dataset["sink"] = sink.id;
    this.list.append(item);
    return item;
  }
}

function statusOf({ stream, status }: Sink): string {
  if (status.error) return status.error;
  const whose = stream ? `of ${stream}` : "of any stream";
  return status.stream
    ? `${status.sent} poses of ${status.stream} sent`
    : `waits for poses ${whose}`;
}
