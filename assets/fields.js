// @ts-check
// Has keys do in a field with a list what they do elsewhere, where Streamlit (1.67) has them do something else. It draws nothing.
//
// Enter takes an entry that the list holds only while the list is open, and the list closes when the page scrolls or is drawn
// again: a class that was typed would seem given, and go when the field is left. A press in the field opens the list once more.
//
// Escape empties a field that may be empty, so that whoever looks into the list and leaves it takes a name away. Here it only
// closes the list, and forgets what was typed; the cross in the field empties it.

/** @param {KeyboardEvent} event */
function heed(event) {
  const { key } = event;
  const target = /** @type {HTMLInputElement} */ (event.target);
  if (target.role !== "combobox") return;
  if (key === "Enter" && target.value && target.ariaExpanded === "false")
    target.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  if (key === "Escape") {
    event.stopPropagation();
    target.blur();
    target.focus();
  }
}

document.addEventListener("keydown", heed, { capture: true });

export default function () {}
