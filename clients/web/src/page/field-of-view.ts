/** The camera's angle: typed, or known by the camera's name, else guessed by the server. */
import { knownFieldOfView } from "./known-cameras";

const NARROWEST = 10; // degrees along the longer side; what the server takes
const WIDEST = 170;

/** What a track says of its camera beside the DOM library's types. */
type Zoom = { zoom?: number };

export class FieldOfView {
  private known: number | null = null;
  /** The address has an angle that is no number: the server's answer says so. */
  private unreadable: boolean;

  /**
   * @param input where it is typed, in degrees along the longer side; empty: known or guessed.
   * @param endpoint what is published to; `fov` in its query follows the input.
   * @param restart publishes anew, with what changed.
   */
  constructor(
    private readonly input: HTMLInputElement,
    private readonly endpoint: URL,
    private readonly restart: () => void,
  ) {
    input.min = String(NARROWEST);
    input.max = String(WIDEST);
    input.value = endpoint.searchParams.get("fov") ?? "";
    this.unreadable = endpoint.searchParams.has("fov") && input.value === "";
    this.show();
    input.addEventListener("change", () => this.typed());
  }

  /** Looks up the camera that was opened, before it is published; null for a file. */
  opened(camera: MediaStreamTrack | null): void {
    this.known = camera && knownAngle(camera);
    this.tell();
  }

  private typed(): void {
    if (!this.input.reportValidity()) return;
    this.unreadable = false;
    this.tell();
    this.restart();
  }

  private tell(): void {
    if (this.unreadable) return;
    const angle = this.input.value || this.known?.toFixed(1);
    if (angle === undefined) this.endpoint.searchParams.delete("fov");
    else this.endpoint.searchParams.set("fov", angle);
    this.show();
  }

  private show(): void {
    this.input.placeholder = this.known === null ? "guessed" : this.known.toFixed(1);
  }
}

function knownAngle(camera: MediaStreamTrack): number | null {
  const { width = 0, height = 0, zoom } = camera.getSettings() as MediaTrackSettings & Zoom;
  const range = (camera.getCapabilities?.() as { zoom?: { min?: number } } | undefined)?.zoom;
  return knownFieldOfView(camera.label, width, height, (zoom ?? 1) / (range?.min || zoom || 1));
}
