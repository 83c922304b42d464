/** Choosing an avatar: a VRM or GLB file from the disk, picked or dropped on the 3D view. */
import { element } from "./element";

export class AvatarPicker {
  private readonly input = element<HTMLInputElement>("avatar-file");
  private readonly name = element("avatar-name");
  private readonly reset = element<HTMLButtonElement>("avatar-reset");
  private readonly stage = element("stage");

  /** @param wear puts the file on, null for the usual body; says how it was understood. */
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
    this.name.textContent = file ? `Reading ${file.name}` : "Built-in body";
    try {
      const kind = await this.wear(file ? await file.arrayBuffer() : null);
      if (file) this.name.textContent = `${file.name} (${kind})`;
      this.reset.hidden = file === null;
    } catch (error) {
      await this.wear(null);
      this.name.textContent = "Built-in body";
      this.reset.hidden = true;
      this.onError(`${file?.name ?? "The body"} can't be worn`, error);
    }
  }
}
