// @ts-check
// The list of the keys, for everything that can be said about images.
import { made } from "../elements.js";
/** @import { BoardData } from "../contract.js" */

/** @type {[string, string, ((data: BoardData) => boolean)?][]} the key, what it does, and whether it does that here */
const KEYS = [
  ["1 … 9, 0", "the class with that key; a class named by one letter or digit has that key"],
  ["Shift + class key", "not that class"],
  ["A", "accept the class that is proposed"],
  ["X", "not the class that is proposed"],
  ["N", "none of the named classes"],
  ["Space", "skip"],
  ["Delete", "clear what was said"],
  ["Backspace", "undo"],
  ["← → ↑ ↓", "go to another image"],
  ["Shift + arrow", "pick the images between", ({ mode }) => mode === "grid"],
  ["S, Ctrl + A, Escape", "pick this image, all in view, none", ({ mode }) => mode === "grid"],
  ["Page Up, Page Down", "other images", ({ pages }) => pages > 1],
  ["Enter", "open the image", ({ opens }) => opens],
  ["?", "show or hide this list"],
];

export class Help {
  constructor() {
    this.list = made("dl", "help");
    this.list.hidden = true;
  }

  get shown() {
    return !this.list.hidden;
  }

  toggle() {
    this.list.hidden = !this.list.hidden;
  }

  /** @param {BoardData} data */
  build(data) {
    const useful = KEYS.filter(([, , where]) => where?.(data) ?? true);
    this.list.replaceChildren(...useful.flatMap(([key, meaning]) => [made("dt", "", key), made("dd", "", meaning)]));
  }
}
