/** Makes an element with its properties and content. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<Omit<HTMLElementTagNameMap[Tag], "dataset" | "style">> = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...content);
  return made;
}

export function button(text: string, onClick: () => void, title = ""): HTMLButtonElement {
  const made = make("button", { type: "button", className: "small", title }, text);
  made.addEventListener("click", onClick);
  return made;
}
