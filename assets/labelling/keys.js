// One list of keys for everything that is said about images: the same in the grid and for one image at a time.
const KEYS = [ // the key, what it does, and where that is not everywhere, where
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
const CONTROLS = "button, a, summary, input, [role=radio], [role=slider], [role=tab], [role=combobox]";

/** Whether an event is text on its way into a field. A list that was closed by the mouse keeps the focus, and wants none. */
function isTyping(event, pointed) {
  const target = event.composedPath()[0];
  if (target.type === "range") return false;
  if (pointed && target.getAttribute?.("role") === "combobox" && target.getAttribute("aria-expanded") !== "true") return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName ?? "");
}

/** Whether a key is for the control that Tab has led to. One that was clicked keeps the focus too, but is done with. */
function isForControl(event, key, root) {
  const control = event.composedPath()[0].closest?.(CONTROLS);
  if (!control) return false;
  if (!event.composedPath().includes(root)) return /^(Enter| |Arrow\w+|Page\w+)$/.test(key);
  return control.type === "range" ? /^Arrow/.test(key) : /^(Enter| )$/.test(key);
}

/** The character of a key whatever Shift does to it: Shift and 1 is "1". */
function plainKey(event) {
  const digit = /^Digit(\d)$/.exec(event.code);
  return digit ? digit[1] : event.key.length === 1 ? event.key.toLowerCase() : event.key;
}
