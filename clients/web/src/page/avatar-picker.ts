/** Choosing an avatar: a VRM or GLB file from the disk, picked or dropped on the 3D view. */
import { element } from "./element";

const BUILT_IN = "Built-in body";

export class AvatarPicker {
  private readonly input = element<HTMLInputElement>("avatar-file");
  private readonly name = element("avatar-name");
  private readonly reset = element<HTMLButtonElement>("avatar-reset");
  private readonly stage = element("stage");
  private worn = BUILT_IN;
  private turn = 0;

  /**
   * @param wear puts the file on, null for the usual body; says how it was understood. When it
   * throws, what was worn before still is.
   */
  constructor(
    private readonly wear: (avatar: ArrayBuffer | null) => Promise<string>,
    private readonly onError: (what: string, error: unknown) => void,
  ) {
    this.input.addEventListener("change", () => {
      const file = this.input.files?.[0];
      this.input.value = ""; // so that the same file can be chosen again
      if (file) void this.choose(file);
    });
    this.reset.addEventListener("click", () => void this.choose(null));
    this.stage.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.stage.dataset["drop"] = "true";
    });
    this.stage.addEventListener("dragleave", () => delete this.stage.dataset["drop"]);
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault();
      delete this.stage.dataset["drop"];
      const file = event.dataTransfer?.files[0];
      if (file) void this.choose(file);
    });
  }

  private async choose(file: File | null): Promise<void> {
    const turn = ++this.turn;
    this.name.textContent = file ? `Reading ${file.name}` : BUILT_IN;
    try {
      const kind = await this.wear(file ? await file.arrayBuffer() : null);
      this.worn = file ? `${file.name} (${kind})` : BUILT_IN;
      this.reset.hidden = file === null;
    } catch (error) {
      this.onError(`${file?.name ?? "The body"} can't be worn`, error);
    }
    if (turn === this.turn) this.name.textContent = this.worn;
  }
}
