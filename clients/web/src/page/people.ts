/** Who is there, by colour, while there are several. */
import type { PosePerson } from "../client/pose";
import { element } from "./element";
import { make } from "./make";
import { PERSON_NAMES } from "./panel";

export class People {
  private readonly list = element("people");
  private shown = "";

  constructor(private readonly colourOf: (person: number) => string) {}

  show(persons: readonly PosePerson[]): void {
    const several = persons.length > 1 ? persons : [];
    const now = several.map(({ person, state }) => `${person} ${state}`).join();
    if (now === this.shown) return;
    this.shown = now;
    this.list.hidden = several.length === 0;
    this.list.replaceChildren(
      ...several.map(({ person, state }) => {
        const swatch = make("span", { className: "swatch" });
        swatch.style.background = this.colourOf(person);
        return make("li", {}, swatch, `Person ${person}, ${PERSON_NAMES[state]}`);
      }),
    );
  }
}
