// Gives the focus back to the card of a cluster whose name field was drawn anew: whoever names clusters by keys goes on from
// there. It draws nothing. data: {labels}, which changes when a cluster has another name.
const PATIENCE_MS = 3000; // for Streamlit to take the old field away, which has the focus until then
const PACE_MS = 50;
let card = null; // the class that marks the card in which the keys have led the focus

function note(focused) {
  if (focused.closest?.("[role=option], [role=listbox]")) return; // the field's own list, which lies elsewhere
  const around = focused.closest?.('[class*="st-key-card_"]');
  card = around ? [...around.classList].find((name) => name.startsWith("st-key-card_")) : null;
}

note(document.activeElement); // somebody may have been quicker than this script
document.addEventListener("pointerdown", ({ isTrusted }) => isTrusted && (card = null), { capture: true }); // of a hand
document.addEventListener("focusin", ({ target }) => note(target));

export default function () {
  const left = card;
  const until = performance.now() + PATIENCE_MS;
  const look = () => {
    if (!left || card !== left || performance.now() > until) return;
    if (document.activeElement === document.body) document.querySelector(`.${left} input`)?.focus();
    setTimeout(look, PACE_MS);
  };
  look();
}
