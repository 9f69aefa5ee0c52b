// @ts-check
import { made } from "../elements.js";
/** @import { Point } from "./camera.js" */

/** A ring around one point. */
export class Mark {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.ring = made("div", "mark");
    this.ring.setAttribute("aria-hidden", "true");
    parent.append(this.ring);
    this.place(null);
  }

  /**
   * Puts it at a place of the screen, or takes it away.
   *
   * @param {Point | null} at
   */
  place(at) {
    this.ring.hidden = !at;
    if (at) this.ring.style.transform = `translate(${at[0]}px,${at[1]}px)`;
  }
}
