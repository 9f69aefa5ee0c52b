// @ts-check
// Returns the focus to the card of a cluster after its name field was redrawn, so that a person who names clusters by keys
// can go on from there. It draws nothing; its data (Focus in contract.js) changes when a cluster is renamed.
const PATIENCE_MS = 3000; // for Streamlit to take the old field away, which has the focus until then
const PACE_MS = 50;
/** @type {string | null} the class that marks the card in which the keys have led the focus */
let card = null;

/** @param {EventTarget | null} focused */
function note(focused) {
  const element = focused instanceof Element ? focused : null;
  if (element?.closest("[role=option], [role=listbox]")) return; // the field's own list, which lies elsewhere
  const around = element?.closest('[class*="st-key-card_"]');
  card = [...(around?.classList ?? [])].find((name) => name.startsWith("st-key-card_")) ?? null;
}

note(document.activeElement); // somebody may have been quicker than this script
document.addEventListener("pointerdown", ({ isTrusted }) => isTrusted && (card = null), { capture: true }); // of a hand
document.addEventListener("focusin", ({ target }) => note(target));

export default function () {
  const left = card;
  const until = performance.now() + PATIENCE_MS;
  const look = () => {
    if (!left || card !== left || performance.now() > until) return;
    if (document.activeElement === document.body)
      /** @type {HTMLElement | null} */ (document.querySelector(`.${left} input`))?.focus();
    setTimeout(look, PACE_MS);
  };
  look();
}
