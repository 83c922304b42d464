/** Plays a take in the 3D view: as it was live, or live and second solve side by side. */
import type { GenmoApi, Solve, Take } from "../client/api";
import type { Pose, PosePerson } from "../client/pose";
import { element } from "./element";
import { make } from "./make";
import { TakeTrack } from "./take-track";

/** Persons of a take are numbered from here on, so that nobody of the stream is taken for them. */
const FIRST = 1_000_000;
const APART_M = 1.2;
const SLIDER_STEPS = 1000;
const SOLVE_NAMES: Record<Solve, string> = { live: "Live", second: "Second solve" };

/** One person of the take as shown: whose poses, and how far to the side. */
export interface Role {
  person: number;
  name: string;
  track: TakeTrack;
  aside: number;
}

export class TakePlayer {
  private readonly bar = element("player");
  private readonly title = element("player-title");
  private readonly people = element("player-people");
  private readonly toggle = element<HTMLButtonElement>("player-toggle");
  private readonly slider = element<HTMLInputElement>("player-time");
  private readonly clock = element("player-clock");
  private roles: Role[] = [];
  private startUs = 0;
  private lengthUs = 0;
  private atUs = 0;
  private stampMs = 0;
  private playing = false;
  /** Counts takes opened and closed, so that one that loads late notices it isn't wanted. */
  private turn = 0;

  /**
   * @param onOpen the take's persons, to be dressed; they are in poses from then on.
   * @param onClose the persons who leave.
   */
  constructor(
    private readonly api: GenmoApi,
    private readonly onOpen: (roles: readonly Role[]) => void,
    private readonly onClose: (roles: readonly Role[]) => void,
    private readonly colourOf: (person: number) => string,
  ) {
    this.toggle.addEventListener("click", () => this.play(!this.playing));
    this.slider.max = String(SLIDER_STEPS);
    this.slider.addEventListener("input", () => {
      this.atUs = (Number(this.slider.value) / SLIDER_STEPS) * this.lengthUs;
      this.play(false);
    });
    element("player-close").addEventListener("click", () => this.close());
  }

  get active(): boolean {
    return this.roles.length > 0;
  }

  shows(person: number): boolean {
    return this.roles.some((role) => role.person === person);
  }

  /** Fetches and plays; with several solves they stand side by side. */
  async open(take: Take, solves: readonly Solve[]): Promise<void> {
    this.close();
    const turn = this.turn;
    const wanted = solves.flatMap((solve) => take.persons.map((person) => ({ solve, person })));
    const roles = await Promise.all(
      wanted.map(async ({ solve, person }, nth): Promise<Role> => {
        const { content } = await this.api.download(take.id, "npz", { person, solve });
        const track = TakeTrack.read(new Uint8Array(await content.arrayBuffer()));
        const aside = (solves.indexOf(solve) - (solves.length - 1) / 2) * APART_M;
        const several = take.persons.length > 1 ? `, person ${person}` : "";
        return { person: FIRST + nth, name: SOLVE_NAMES[solve] + several, track, aside };
      }),
    );
    if (turn !== this.turn) return;
    this.roles = roles;
    this.startUs = Math.min(...roles.map(({ track }) => track.startUs));
    this.lengthUs = Math.max(...roles.map(({ track }) => track.endUs)) - this.startUs;
    this.atUs = 0;
    this.onOpen(roles);
    this.showRoles(take, solves.length > 1);
    this.play(true);
  }

  close(): void {
    this.turn++;
    if (!this.active) return;
    const { roles } = this;
    this.roles = [];
    this.bar.hidden = true;
    this.onClose(roles);
  }

  /** The pose to show now. */
  sample(): Pose | null {
    if (!this.active) return null;
    this.advance();
    const us = this.startUs + this.atUs;
    const persons = this.roles.flatMap((role): PosePerson[] => {
      const pose = role.track.at(us);
      if (!pose) return [];
      const pelvis = pose.pelvis.slice();
      pelvis[0]! += role.aside;
      return [{ ...pose, pelvis, person: role.person }];
    });
    return {
      seq: 0,
      frame: 0,
      captureUs: us,
      publishUs: us,
      skeletonRev: 0,
      flags: { warmup: false, generated: false, resampled: false },
      stagesMs: { decode: 0, keypoints: 0, model: 0 },
      persons,
    };
  }

  private advance(): void {
    const nowMs = performance.now();
    if (this.playing && this.lengthUs > 0)
      this.atUs = (this.atUs + 1000 * (nowMs - this.stampMs)) % this.lengthUs;
    this.stampMs = nowMs;
    if (this.playing) this.showTime();
  }

  private play(playing: boolean): void {
    this.playing = playing;
    this.stampMs = performance.now();
    this.toggle.textContent = playing ? "Pause" : "Play";
    this.showTime();
  }

  private showTime(): void {
    const share = this.lengthUs > 0 ? this.atUs / this.lengthUs : 0;
    this.slider.value = String(Math.round(share * SLIDER_STEPS));
    const text = `${(this.atUs / 1e6).toFixed(1)} / ${(this.lengthUs / 1e6).toFixed(1)} s`;
    if (this.clock.textContent === text) return;
    this.clock.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  private showRoles(take: Take, compared: boolean): void {
    this.bar.hidden = false;
    this.title.textContent = take.name;
    this.people.hidden = !compared && this.roles.length < 2;
    this.people.replaceChildren(
      ...this.roles.map(({ person, name }) => {
        const dot = make("span", { className: "swatch" });
        dot.style.background = this.colourOf(person);
        return make("li", {}, dot, name);
      }),
    );
  }
}
