// @ts-check
// The images of a board as a grid of thumbnails.
import { made } from "../elements.js";
import { picture } from "./tile.js";
/** @import { Board } from "./board.js" */

export class Grid {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.grid = made("div", "grid");
    this.grid.setAttribute("role", "listbox");
    this.grid.setAttribute("aria-multiselectable", "true");
    this.grid.setAttribute("aria-label", "Images");
    /** @type {HTMLElement[]} */
    this.marks = board.data.tiles.map(() => made("span", "mark"));
    /** @type {HTMLElement[]} */
    this.buttons = board.data.tiles.map((tile, i) => {
      const button = made("div", "tile");
      button.setAttribute("role", "option");
      button.dataset.item = tile.item;
      button.append(picture(board.data, i), this.marks[i]);
      button.ondblclick = () => board.open(i);
      return button;
    });
    this.box = made("div", "box"); // that the mouse draws
    this.box.hidden = true;
    this.grid.append(...this.buttons, this.box);
    board.stage.replaceChildren(this.grid);
    board.bar.resize(board.bar.size);
  }

  refresh() {
    const { picks, known, data, bar } = this.board;
    this.buttons.forEach((button, i) => {
      const { mark, colour } = known[i];
      const { tip } = data.tiles[i];
      button.setAttribute("aria-selected", String(picks.picked.has(i)));
      button.setAttribute("aria-label", `${tip}${mark ? `, ${mark}` : ""}`);
      button.title = tip;
      button.tabIndex = i === picks.cursor ? 0 : -1;
      button.classList.toggle("here", i === picks.cursor);
      button.style.setProperty("--colour", colour);
      this.marks[i].textContent = mark;
    });
    bar.count.textContent = picks.picked.size ? this.described() : "None picked";
  }

  /** How many images are picked, and what a class given to them would change. */
  described() {
    const { picks, known, data } = this.board;
    const chosen = [...picks.picked];
    const judged = chosen.filter((i) => known[i].judged).length;
    const sure = chosen.map((i) => data.tiles[i].sure).sort((a, b) => (a ?? 0) - (b ?? 0));
    const middle = sure[Math.floor(sure.length / 2)];
    const words = [`${chosen.length} picked`, ...(judged ? [`${judged} judged before`] : [])];
    if (middle !== null) words.push(`the model ${Math.round(100 * middle)}% sure`);
    return words.join(", ");
  }

  /** Brings the image under the cursor into view. */
  follow() {
    const button = this.buttons[this.board.picks.cursor];
    if (!button) return;
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "nearest" });
  }

  /** How many images stand side by side. */
  get columns() {
    const top = this.buttons[0]?.offsetTop ?? 0;
    const n = this.buttons.findIndex((button) => button.offsetTop > top);
    return n < 0 ? this.buttons.length : n;
  }

  /**
   * Where an event happened; -1 beside the images.
   *
   * @param {Event} event
   */
  indexOf(event) {
    const tile = event.composedPath().find((e) => e instanceof HTMLElement && e.classList.contains("tile"));
    return this.buttons.findIndex((button) => button === tile);
  }
}
