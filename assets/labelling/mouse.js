// @ts-check
// The mouse over the grid of a board: a box that is drawn picks the images that it touches, a click picks one.
/** @import { Board } from "./board.js" */

const SLIP = 6; // pixels of a drag before it draws a box

export class Mouse {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    /** @type {{ x: number, y: number, before: Set<number> } | null} where a drag began, and what was picked then */
    this.start = null;
    const { stage } = board;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.drag(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", () => this.end());
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (!this.board.grid || event.button || event.pointerType === "touch") return; // a finger scrolls; its tap is a click
    const before = new Set(event.shiftKey ? this.board.picks.picked : []);
    this.start = { x: event.clientX, y: event.clientY, before };
  }

  /** @param {PointerEvent} event */
  drag({ clientX, clientY, pointerId }) {
    const { grid, picks, stage } = this.board;
    if (!this.start || !grid) return;
    const { x, y, before } = this.start;
    if (grid.box.hidden && Math.hypot(clientX - x, clientY - y) < SLIP) return;
    if (grid.box.hidden) stage.setPointerCapture(pointerId);
    grid.box.hidden = false;
    const [left, right] = [Math.min(x, clientX), Math.max(x, clientX)];
    const [top, bottom] = [Math.min(y, clientY), Math.max(y, clientY)];
    const origin = grid.grid.getBoundingClientRect();
    const [width, height] = [right - left, bottom - top];
    grid.box.style.cssText = `left:${left - origin.left}px;top:${top - origin.top}px;width:${width}px;height:${height}px`;
    picks.picked = new Set(before);
    grid.buttons.forEach((button, i) => {
      const r = button.getBoundingClientRect();
      if (r.left < right && r.right > left && r.top < bottom && r.bottom > top) picks.picked.add(i);
    });
    grid.refresh();
  }

  /** @param {PointerEvent} event */
  up(event) {
    const { grid } = this.board;
    if (!grid || event.button) return;
    const dragged = this.start && !grid.box.hidden;
    this.end();
    if (dragged) return;
    const index = grid.indexOf(event);
    if (index < 0) return;
    if (event.shiftKey) this.board.go(index, true);
    else this.board.toggle(index);
  }

  end() {
    this.start = null;
    if (this.board.grid) this.board.grid.box.hidden = true;
  }
}
