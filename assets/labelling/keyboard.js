// @ts-check
// The keys that are pressed anywhere on the page, for the board that stands there now.
import { isForControl, isTyping, meaningOf, plainKey } from "./keys.js";
/** @import { Board } from "./board.js" */
/** @import { Meaning } from "./keys.js" */

export class Keyboard {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.pointed = true; // whether the mouse, and not Tab, has led to where the focus is
    this.listening = new AbortController();
    const { signal } = this.listening;
    /** @param {Event} event */
    const onMap = (event) => event.composedPath().some((e) => e instanceof Element && e.classList.contains("map"));
    const early = { capture: true, signal }; // before Streamlit, whose own keys are other ones
    document.addEventListener("keydown", (event) => onMap(event) || this.key(event), early);
    document.addEventListener("keydown", (event) => onMap(event) && this.key(event), { signal }); // it has no use for them
    document.addEventListener("pointerdown", () => (this.pointed = true), early);
  }

  stop() {
    this.listening.abort();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { board } = this;
    if (event.key === "Tab") this.pointed = false;
    if (isTyping(event, this.pointed) || event.metaKey || event.altKey || !board.isActive) return;
    if (event.repeat && !/^(Arrow|Page)/.test(event.key)) return; // a key held down speaks of one image
    if (document.querySelector('[data-testid="stDialog"]')) return; // a window is open before the images
    if (!this.pointed && isForControl(event, plainKey(event), board.root)) return;
    const meaning = meaningOf(event, board.situation);
    if (!meaning) return;
    this.obey(meaning);
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Meaning} meaning */
  obey(meaning) {
    const { board } = this;
    switch (meaning.does) {
      case "say":
        return board.say(meaning.kind, meaning.name);
      case "act":
        return board.act(meaning.act);
      case "go":
        return board.step(meaning.right, meaning.down, meaning.extend);
      case "turn":
        return board.turn(board.data.page + meaning.pages);
      case "help":
        return board.help.toggle();
      case "toggle":
        return board.toggle(board.picks.cursor);
      case "pickAll":
        return board.pickAll();
      case "pickNone":
        return board.pick([]);
      case "open":
        return board.open(board.picks.cursor);
    }
  }
}
