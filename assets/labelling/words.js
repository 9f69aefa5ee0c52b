// @ts-check
// What says something: a button for each class, a field for a new one, and the other buttons; with their keys.
import { LETTERS, MAX_NAME_LENGTH } from "../contract.js";
import { made } from "../elements.js";
import { pressable } from "./buttons.js";
/** @import { BoardClass } from "../contract.js" */
/** @import { Board } from "./board.js" */
/** @import { Act } from "./keys.js" */

/** @type {[Act, string, string][]} what is said, its key, and the text of the button */
const ACTIONS = [
  ["accept", LETTERS.accept.toUpperCase(), "Accept"],
  ["not", LETTERS.not.toUpperCase(), "Not this"],
  ["none", LETTERS.none.toUpperCase(), "None of these"],
  ["skip", "␣", "Skip"],
  ["undo", "⌫", "Undo"],
];

export class Words {
  /** @param {Board} board */
  constructor(board) {
    this.board = board;
    this.part = made("div", "words");
    this.named = made("div", "chips named");
    /** @type {HTMLButtonElement[]} */
    this.chips = [];
    /** @type {Map<Act, { button: HTMLButtonElement, text: HTMLElement }>} */
    this.actions = new Map();
    this.meaning = ""; // of the chips that are drawn
  }

  build() {
    this.actions = new Map(
      ACTIONS.map(([act, key, title]) => {
        const button = pressable("chip act", "", title, () => this.board.act(act));
        const text = made("span", "", title);
        button.append(made("kbd", "", key), text);
        return [act, { button, text }];
      }),
    );
    this.named = made("div", "chips named");
    [this.chips, this.meaning] = [[], ""];
    const others = made("div", "chips");
    others.append(this.field(), ...[...this.actions.values()].map(({ button }) => button));
    this.part.replaceChildren(this.named, others);
  }

  field() {
    const field = made("input", "new");
    Object.assign(field, { placeholder: "New class", maxLength: MAX_NAME_LENGTH, autocomplete: "off" });
    field.setAttribute("aria-label", "Name of a new class");
    field.onkeydown = (event) => {
      if (event.key === "Escape") field.blur();
      if (event.key !== "Enter" || event.isComposing || !field.value.trim()) return;
      this.board.say("label", field.value.trim());
      field.value = "";
      field.blur(); // the next key says something again
    };
    return field;
  }

  /**
   * The buttons of the classes, of which there may be more at any time; the field beside them is left as it is.
   *
   * @param {BoardClass[]} classes
   */
  setClasses(classes) {
    const meaning = JSON.stringify(classes);
    if (meaning === this.meaning) return;
    this.meaning = meaning;
    const page = /** @type {Document | ShadowRoot} */ (this.part.getRootNode());
    const active = /** @type {HTMLElement | null} */ (page.activeElement);
    const focused = active?.dataset.class;
    for (const chip of this.chips) chip.remove();
    this.chips = classes.map((of) => this.chip(of));
    this.named.append(...this.chips);
    if (focused !== undefined) this.chips.find((chip) => chip.dataset.class === focused)?.focus();
  }

  /** @param {BoardClass} of */
  chip({ name, key, colour }) {
    const chip = pressable("chip", "", `${name}: Shift and click for “not ${name}”`, (event) => {
      this.board.say(event.shiftKey ? "reject" : "label", name);
    });
    chip.style.setProperty("--colour", colour);
    chip.dataset.class = name;
    if (key) chip.append(made("kbd", "", key));
    chip.append(made("span", "", name));
    return chip;
  }

  /**
   * Marks the class that an image probably is of, and names the one that is proposed.
   *
   * @param {string} likely
   * @param {string} proposed "" for none
   */
  propose(likely, proposed) {
    for (const chip of this.chips) chip.classList.toggle("likely", chip.dataset.class === likely);
    for (const [act, word] of /** @type {[Act, string][]} */ ([
      ["accept", "Accept"],
      ["not", "Not"],
    ])) {
      const action = this.actions.get(act);
      if (!action) continue;
      action.button.disabled = !proposed;
      action.text.textContent = `${word} ${proposed || "this"}`;
    }
  }
}
