// @ts-check
// The line above the images: how many, and tools that say nothing about them.
import { made } from "../elements.js";
import { pressable } from "./buttons.js";
/** @import { Board } from "./board.js" */

const SIZES = { least: 36, most: 160, first: 64, step: 4 };
const SIZE_KEPT = "dgm-tile-size";

export class Bar {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.line = made("div", "bar");
    this.count = made("span", "count");
    this.size = Number(localStorage.getItem(SIZE_KEPT)) || SIZES.first;
  }

  build() {
    const { board } = this;
    const { pages } = board.data;
    this.count = made("span", "count");
    /** @type {HTMLElement[]} */
    const tools = [pressable("link", "Keys", "The list of keys (?)", () => board.help.toggle())];
    if (!board.single) {
      const all = pages > 1 ? "All of this page" : "All";
      tools.unshift(
        pressable("link", all, "Pick all that are in view (Ctrl + A)", () => board.pickAll()),
        pressable("link", "None", "Pick none (Escape)", () => board.pick([])),
      );
      tools.push(this.slider());
    }
    if (pages > 1) tools.push(this.pager());
    this.line.replaceChildren(this.count, ...tools);
  }

  slider() {
    const slider = made("input", "size");
    Object.assign(slider, { type: "range", min: SIZES.least, max: SIZES.most, step: SIZES.step, value: this.size });
    slider.setAttribute("aria-label", "Size of the images");
    slider.oninput = () => this.resize(Number(slider.value));
    return slider;
  }

  /** @param {number} size pixels a side of an image of the grid */
  resize(size) {
    this.size = size;
    localStorage.setItem(SIZE_KEPT, String(size));
    this.board.stage.style.setProperty("--tile", `${size}px`);
  }

  pager() {
    const { board } = this;
    const { page, pages } = board.data;
    const pager = made("span", "pager");
    const before = pressable("turn", "‹", "The page before (Page Up)", () => board.turn(page - 1));
    const after = pressable("turn", "›", "The next page (Page Down)", () => board.turn(page + 1));
    [before.disabled, after.disabled] = [page === 0, page === pages - 1];
    pager.append(before, made("span", "", `${page + 1} of ${pages}`), after);
    return pager;
  }
}
