/** One take in the list: what it is, and what can be done with it. */
import { BONE_NAMES, type BoneNames, type Solve, type Take, TAKE_FORMATS } from "../client/api";
import type { Comparison, TakeFormat } from "../client/api";
import { button, make } from "./make";
import { minutes } from "./recorder";

const BONE_TITLES: Record<BoneNames, string> = {
  smpl: "SMPL",
  unity: "Unity",
  vrm: "VRM",
  manny: "Manny",
  mixamo: "Mixamo",
};

export interface TakeActions {
  preview(take: Take, solves: readonly Solve[]): void;
  download(take: Take, format: TakeFormat, solve: Solve, bones: BoneNames): void;
  solve(take: Take): void;
  rename(take: Take, name: string): void;
  remove(take: Take): void;
}

export class TakeRow {
  readonly item = make("li");
  private readonly box = make("details", { className: "take" });
  private readonly name = make("span", { className: "take-name" });
  private readonly facts = make("span", { className: "take-facts" });
  private readonly preview = button("Preview", () => this.actions.preview(this.take, ["live"]));
  private readonly compare = button("Compare", () =>
    this.actions.preview(this.take, ["live", "second"]),
  );
  private readonly solve = button(
    "Second solve",
    () => this.actions.solve(this.take),
    "Estimate the take again with all of it known: smoother than live",
  );
  private readonly remove = button("Delete", () => this.pressRemove());
  private readonly note = make("p", { className: "take-note" });
  private readonly table = make("div", { className: "scroll" });
  private readonly solves = select("Poses", [
    ["live", "Live"],
    ["second", "Second solve"],
  ]);
  private readonly bones = select(
    "Bone names (bvh, glb)",
    BONE_NAMES.map((name) => [name, BONE_TITLES[name]]),
  );
  private readonly files: HTMLElement;
  private readonly renaming = make("form", { className: "rename", hidden: true });
  private readonly newName = make("input", { type: "text", maxLength: 100, required: true });

  constructor(
    public take: Take,
    private readonly actions: TakeActions,
  ) {
    this.item.dataset["take"] = take.id;
    const summary = make("summary", {}, this.name, this.facts);
    const rename = button("Rename", () => this.startRenaming());
    const formats = TAKE_FORMATS.map((format) =>
      button(format, () => {
        const solve = this.solves.control.value as Solve;
        this.actions.download(this.take, format, solve, this.bones.control.value as BoneNames);
      }),
    );
    this.files = make(
      "div",
      { className: "files" },
      make("p", { className: "row" }, make("span", { className: "quiet" }, "Download"), ...formats),
      make("div", { className: "row" }, this.solves.field, this.bones.field),
    );
    this.newName.setAttribute("aria-label", "New name");
    this.renaming.append(
      this.newName,
      make("button", { type: "submit", className: "small" }, "Save"),
      button("Cancel", () => this.stopRenaming()),
    );
    this.renaming.addEventListener("submit", (event) => {
      event.preventDefault();
      this.stopRenaming();
      this.actions.rename(this.take, this.newName.value.trim());
    });
    this.renaming.addEventListener("keydown", ({ key }) => key === "Escape" && this.stopRenaming());
    this.remove.addEventListener("blur", () => this.disarm());
    this.box.append(
      summary,
      make("p", { className: "row" }, this.preview, this.compare, this.solve),
      this.note,
      this.table,
      this.files,
      make("p", { className: "row" }, rename, this.remove),
      this.renaming,
    );
    this.item.append(this.box);
    this.update(take);
  }

  open(): void {
    this.box.open = true;
  }

  update(take: Take): void {
    this.take = take;
    const solving = take.solve?.state === "queued" || take.solve?.state === "running";
    const usable = !take.recording && take.persons.length > 0;
    put(this.name, take.name);
    put(this.facts, factsOf(take));
    this.preview.disabled = !usable;
    this.compare.hidden = take.comparison === null;
    this.solve.hidden = take.comparison !== null;
    this.solve.disabled = !usable || solving;
    this.remove.disabled = take.recording || solving;
    this.files.hidden = !usable;
    this.solves.field.hidden = take.comparison === null;
    this.note.hidden = noteOf(take) === "";
    put(this.note, noteOf(take));
    const compared = JSON.stringify(take.comparison);
    if (this.table.dataset["compared"] === compared) return;
    this.table.dataset["compared"] = compared;
    this.table.replaceChildren(...(take.comparison ? [comparisonTable(take.comparison)] : []));
  }

  private startRenaming(): void {
    this.renaming.hidden = false;
    this.newName.value = this.take.name;
    this.newName.focus();
    this.newName.select();
  }

  private stopRenaming(): void {
    this.renaming.hidden = true;
  }

  /** The first press asks, the second deletes. */
  private pressRemove(): void {
    if (this.remove.dataset["armed"] === "true") this.actions.remove(this.take);
    else {
      this.remove.dataset["armed"] = "true";
      this.remove.textContent = "Delete for good?";
    }
  }

  private disarm(): void {
    this.remove.dataset["armed"] = "false";
    this.remove.textContent = "Delete";
  }
}

function factsOf(take: Take): string {
  if (take.recording) return `recording, ${minutes(take.seconds)}`;
  const people = take.persons.length === 1 ? "1 person" : `${take.persons.length} people`;
  const when = new Date(take.started_us / 1000).toLocaleString(undefined, {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
  return `${minutes(take.seconds)} · ${people} · ${when}`;
}

function noteOf({ solve, ended, recording, persons }: Take): string {
  if (solve?.state === "queued") return "Waits to be solved again.";
  if (solve?.state === "running") return `Solving again, ${Math.round(100 * solve.progress)} %`;
  if (solve?.state === "failed")
    return `The second solve failed: ${solve.error ?? "no reason given"}`;
  if (!recording && ended && ended !== "stopped") return `It ended by itself: ${ended}.`;
  if (!recording && persons.length === 0) return "Nobody was seen in it.";
  return "";
}

function comparisonTable(comparison: readonly Comparison[]): HTMLTableElement {
  const head = ["", "Live", "Second"].map((text) => make("th", { scope: "col" }, text));
  const several = comparison.length > 1;
  const rows = comparison.flatMap(({ person, live, second }) => {
    const whose = several ? ` (person ${person})` : "";
    return [
      row(`Jitter, m/s³${whose}`, live.jitter, second.jitter),
      row(`Feet slide, cm/s${whose}`, live.foot_speed_cm_s, second.foot_speed_cm_s),
      row(`Off in 2D, px${whose}`, live.reprojection_px, second.reprojection_px),
    ];
  });
  const caption = make("caption", {}, "Lower is better");
  return make(
    "table",
    {},
    caption,
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...rows),
  );
}

function row(name: string, live: number | null, second: number | null): HTMLTableRowElement {
  const cell = (value: number | null) => make("td", {}, value === null ? "–" : value.toFixed(1));
  return make("tr", {}, make("th", { scope: "row" }, name), cell(live), cell(second));
}

function select(label: string, options: readonly (readonly [string, string])[]) {
  const control = make("select");
  control.append(...options.map(([value, text]) => new Option(text, value)));
  const field = make("label", { className: "inline" }, make("span", {}, label), control);
  return { control, field };
}

function put(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
