// Has Enter take what stands in a field with a list. Streamlit (1.67) takes an entry that the list holds only while the list is
// open, and closes it when the page scrolls or is drawn again: a class that was typed would seem given, and go when the field is
// left. A press in the field opens the list once more. It draws nothing.
function open({ key, target }) {
  if (key === "Enter" && target.role === "combobox" && target.value && target.ariaExpanded === "false")
    target.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
}

document.addEventListener("keydown", open, { capture: true });

export default function () {}
