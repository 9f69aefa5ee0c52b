// @ts-check
import { made } from "../elements.js";
/** @import { Legend as Meaning } from "../contract.js" */

/** The meaning of the colours; a press dims all other groups, with Shift the group itself. */
export class Legend {
  /**
   * @param {HTMLElement} parent
   * @param {() => void} changed called when other groups are dimmed
   */
  constructor(parent, changed) {
    this.box = made("div", "legend");
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", "What the colours mean");
    parent.append(this.box);
    this.changed = changed;
    /** @type {number | null} the one group that is not dimmed */
    this.alone = null;
    /** @type {Set<number>} */
    this.dimmed = new Set();
    this.meaning = "";
    /** @type {{ index: number, button: HTMLElement }[]} */
    this.buttons = [];
  }

  forget() {
    this.alone = null;
    this.dimmed.clear();
  }

  /** @param {Meaning} legend */
  set(legend) {
    if (legend.meaning !== this.meaning) this.forget(); // other groups stand at these indices
    if (this.alone !== null && !legend.groups.some(({ index }) => index === this.alone)) this.forget(); // it is gone
    this.meaning = legend.meaning;
    if (legend.scale) {
      const bar = made("div", "scale");
      bar.style.background = `linear-gradient(90deg, ${legend.scale.colours.join(",")})`;
      this.box.replaceChildren(made("span", "", legend.scale.low), bar, made("span", "", legend.scale.high));
      this.buttons = [];
      return;
    }
    this.buttons = legend.groups.map(({ index, name, colour, n }) => {
      const button = made("button", "group");
      const dot = made("span", "dot");
      dot.style.background = colour;
      button.append(dot, made("span", "title", name));
      button.title = `${name}: ${n.toLocaleString()} images. Click: these alone; Shift and click: dim them.`;
      button.onclick = (event) => this.press(index, event.shiftKey);
      return { index, button };
    });
    this.box.replaceChildren(...this.buttons.map(({ button }) => button));
    this.refresh();
  }

  /**
   * @param {number} index of a group
   * @param {boolean} dim whether it alone is dimmed, and not all others
   */
  press(index, dim) {
    if (dim) {
      this.alone = null;
      if (!this.dimmed.delete(index)) this.dimmed.add(index);
    } else {
      this.dimmed.clear();
      this.alone = this.alone === index ? null : index;
    }
    this.refresh();
    this.changed();
  }

  /** @param {number} index of a group */
  shows(index) {
    return this.alone === null ? !this.dimmed.has(index) : this.alone === index;
  }

  refresh() {
    for (const { index, button } of this.buttons) button.setAttribute("aria-pressed", String(this.shows(index)));
  }
}
