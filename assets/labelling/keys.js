// @ts-check
// What a key means on a board: the same in the grid and for one image at a time.
import { LETTERS } from "../contract.js";
/** @import { BoardClass } from "../contract.js" */

const CONTROLS = "button, a, summary, input, [role=radio], [role=slider], [role=tab], [role=combobox]";

/** @typedef {"accept" | "not" | "none" | "skip" | "clear" | "undo"} Act what can be said without the name of a class */

/** @type {Record<string, Act>} */
const ACTS = {
  [LETTERS.accept]: "accept",
  [LETTERS.not]: "not",
  [LETTERS.none]: "none",
  " ": "skip",
  Delete: "clear",
  Backspace: "undo",
};

/** @type {Record<string, [number, number]>} steps to the right and down */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @typedef {object} Situation what the meaning of a key depends on
 * @property {boolean} single whether one image at a time is shown
 * @property {BoardClass[]} classes
 * @property {boolean} helped whether the list of keys is shown
 * @property {boolean} picked whether any image is picked
 * @property {boolean} there whether there is an image under the cursor
 */

/**
 * @typedef {{ does: "say", kind: "label" | "reject", name: string }
 *   | { does: "act", act: Act }
 *   | { does: "go", right: number, down: number, extend: boolean }
 *   | { does: "turn", pages: number }
 *   | { does: "help" | "toggle" | "pickAll" | "pickNone" | "open" }} Meaning
 */

/** @typedef {Pick<KeyboardEvent, "key" | "code" | "shiftKey" | "ctrlKey">} Pressed */

/**
 * The meaning of a key; null if it has none here.
 *
 * @param {Pressed} event
 * @param {Situation} situation
 * @returns {Meaning | null}
 */
export function meaningOf(event, { single, classes, helped, picked, there }) {
  const key = plainKey(event);
  if (event.ctrlKey) return key === "a" && !single ? { does: "pickAll" } : null;
  const chosen = classes.find((c) => c.key?.toLowerCase() === key);
  if (chosen) return { does: "say", kind: event.shiftKey ? "reject" : "label", name: chosen.name };
  if (Object.hasOwn(ARROWS, key)) {
    const [right, down] = ARROWS[key];
    return { does: "go", right, down, extend: event.shiftKey && !single };
  }
  if (Object.hasOwn(ACTS, key)) return { does: "act", act: ACTS[key] };
  if (event.key === "?") return { does: "help" };
  if (key === LETTERS.pick && !single) return { does: "toggle" };
  if (key === "Escape" && helped) return { does: "help" };
  if (key === "Escape" && picked) return { does: "pickNone" };
  if (key === "PageUp" || key === "PageDown") return { does: "turn", pages: key === "PageUp" ? -1 : 1 };
  if (key === "Enter" && there) return { does: "open" };
  return null;
}

/**
 * Whether an event is text on its way into a field. A list that was closed by the mouse keeps the focus, and wants none.
 *
 * @param {Event} event
 * @param {boolean} pointed whether the mouse has led to where the focus is
 */
export function isTyping(event, pointed) {
  const target = /** @type {Partial<HTMLInputElement>} */ (event.composedPath()[0]);
  if (target.type === "range") return false;
  const isList = target.getAttribute?.("role") === "combobox";
  if (pointed && isList && target.getAttribute?.("aria-expanded") !== "true") return false;
  return Boolean(target.isContentEditable) || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? "");
}

/**
 * Whether a key is for the control that Tab has led to. One that was clicked keeps the focus too, but is done with.
 *
 * @param {Event} event
 * @param {string} key
 * @param {EventTarget} root of the board
 */
export function isForControl(event, key, root) {
  const target = /** @type {Partial<Element>} */ (event.composedPath()[0]);
  const control = target.closest?.(CONTROLS);
  if (!control) return false;
  if (!event.composedPath().includes(root)) return /^(Enter| |Arrow\w+|Page\w+)$/.test(key);
  const isSlider = /** @type {Partial<HTMLInputElement>} */ (control).type === "range";
  return isSlider ? /^Arrow/.test(key) : /^(Enter| )$/.test(key);
}

/**
 * The character of a key whatever Shift does to it: Shift and 1 is "1".
 *
 * @param {Pick<KeyboardEvent, "key" | "code">} event
 */
export function plainKey(event) {
  const digit = /^Digit(\d)$/.exec(event.code);
  return digit ? digit[1] : event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
