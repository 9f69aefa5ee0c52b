// @ts-check
// The images of a board one at a time.
import { made } from "../elements.js";
import { picture } from "./tile.js";
/** @import { Board } from "./board.js" */

export class Single {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.frame = made("div", "frame");
    this.frame.setAttribute("role", "img");
    this.guess = made("p", "guess");
    this.note = made("p", "note");
    const large = made("div", "large");
    large.append(this.frame, this.guess, this.note);
    board.stage.replaceChildren(large);
  }

  refresh() {
    const { data, known, picks, bar, root, words } = this.board;
    const tile = data.tiles[picks.cursor];
    const left = known.filter(({ judged }) => !judged).length;
    bar.count.textContent = data.stays ? "" : `${left} to go`;
    if (!tile || (!left && !picks.browsing && !data.stays)) {
      this.frame.replaceChildren(made("span", "done", "All done. The next images follow."));
      [this.guess.textContent, this.note.textContent] = ["", ""];
      delete root.dataset.item;
      return;
    }
    if (root.dataset.item !== tile.item || !this.frame.querySelector(".picture")) {
      this.frame.replaceChildren(picture(data, picks.cursor));
      root.dataset.item = tile.item;
    }
    this.frame.setAttribute("aria-label", tile.tip);
    const { mark, judged } = known[picks.cursor];
    this.guess.textContent = mark && judged ? `You said: ${mark}` : tile.guess;
    this.note.textContent = tile.note;
    words.propose(judged ? mark : tile.predicted, tile.predicted);
  }
}
