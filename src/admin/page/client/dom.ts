/* Everything on the page is made here, and all text is set as text: names and statements come from strangers. */

export type Child = Node | string;

/** An element with classes and content. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  classes = '',
  ...content: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (classes !== '') made.className = classes;
  made.append(...content);
  return made;
}

/** The element of the page with this id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** Sets the text where it is another one: what somebody has selected stays so, and nothing is read aloud again. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}
