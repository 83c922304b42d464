/** Start and stop: the picture, its pickers, and the publisher that sends it. */
import type { Publisher } from "../client/publisher";
import {
  CameraError,
  listCameras,
  openCamera,
  openFile,
  type Picture,
  type Resolution,
} from "./camera";
import { element } from "./element";
import { WakeLock } from "./wake-lock";

export class Capture {
  private readonly video = element<HTMLVideoElement>("video");
  private readonly frame = element("picture");
  private readonly button = element<HTMLButtonElement>("start");
  private readonly cameras = element<HTMLSelectElement>("camera");
  private readonly resolutions = element<HTMLSelectElement>("resolution");
  private readonly fileInput = element<HTMLInputElement>("file");
  private readonly wakeLock = new WakeLock();
  private picture: Picture | null = null;
  private file: File | null = null;
  /** Counts starts and stops, so that a camera that opens late notices it isn't wanted. */
  private turn = 0;

  constructor(
    private readonly publisher: Publisher,
    /** Told which camera was opened, before it is published; null: a file. */
    private readonly onCamera: (camera: MediaStreamTrack | null) => void,
    private readonly onError: (error: unknown) => void,
    private readonly onStart: () => void,
  ) {
    this.button.addEventListener("click", () => (this.running ? this.stop() : this.start()));
    this.cameras.addEventListener("change", () => this.chosen());
    this.resolutions.addEventListener("change", () => this.running && this.start());
    this.fileInput.addEventListener("change", () => this.fileChosen());
    this.video.addEventListener("resize", () => this.fitFrame());
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.fillCameras());
    window.addEventListener("pagehide", () => this.stop());
    void this.fillCameras();
  }

  get running(): boolean {
    return this.button.dataset["running"] === "true";
  }

  stop(): void {
    this.turn++;
    this.publisher.stop();
    this.closePicture();
    this.wakeLock.release();
    this.showRunning(false);
  }

  private start(): void {
    this.begin().catch((error: unknown) => {
      this.stop();
      this.onError(error);
    });
  }

  private async begin(): Promise<void> {
    this.stop();
    const turn = this.turn;
    this.showRunning(true);
    this.onStart();
    const picture = await this.open();
    if (turn !== this.turn) return picture.close();
    this.picture = picture;
    this.frame.dataset["on"] = "true";
    picture.track.addEventListener("ended", () => {
      if (this.picture !== picture) return;
      this.stop();
      this.onError(new CameraError("busy"));
    });
    this.onCamera(this.file ? null : picture.track);
    this.publisher.start(picture);
    this.wakeLock.hold();
    await this.fillCameras();
  }

  private open(): Promise<Picture> {
    const [width = 640, height = 480] = this.resolutions.value.split("x").map(Number);
    const resolution: Resolution = { width, height };
    if (this.file) return openFile(this.file, resolution, this.video);
    return openCamera(this.cameras.value, resolution, this.video);
  }

  private closePicture(): void {
    this.picture?.close();
    this.picture = null;
    this.frame.dataset["on"] = "false";
    this.frame.style.removeProperty("--aspect");
  }

  private chosen(): void {
    if (this.cameras.value === FILE_VALUE) return;
    this.file = null;
    if (this.running) this.start();
  }

  private fileChosen(): void {
    const file = this.fileInput.files?.[0];
    this.fileInput.value = ""; // so that the same file can be chosen again
    if (!file) return;
    this.file = file;
    void this.fillCameras();
    this.start();
  }

  private fitFrame(): void {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth > 0)
      this.frame.style.setProperty("--aspect", (videoWidth / videoHeight).toFixed(4));
  }

  /** Lists the cameras, and the file in use among them; keeps what was chosen. */
  private async fillCameras(): Promise<void> {
    const devices = await listCameras();
    const chosen = this.file ? FILE_VALUE : this.cameras.value;
    const options = [new Option("Default camera", "")];
    devices.forEach(({ deviceId, label }, i) => {
      if (deviceId) options.push(new Option(label || `Camera ${i + 1}`, deviceId));
    });
    if (this.file) options.push(new Option(this.file.name, FILE_VALUE));
    this.cameras.replaceChildren(...options);
    this.cameras.value = options.some((option) => option.value === chosen) ? chosen : "";
  }

  private showRunning(running: boolean): void {
    this.button.dataset["running"] = String(running);
    this.button.textContent = running ? "Stop" : "Start";
  }
}

const FILE_VALUE = "file";
