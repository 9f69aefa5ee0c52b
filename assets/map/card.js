// @ts-check
import { made } from "../elements.js";
/** @import { Pictures } from "../contract.js" */

const MOST_PICTURES = 3000; // that a card keeps for when the cursor comes back
const REST_MS = 60; // that the cursor stays at a point before its picture is asked for

/** The card of the point under the cursor. Pictures are asked for in groups, with those of the points around. */
export class Card {
  /**
   * @param {HTMLElement} parent
   * @param {(index: number) => void} ask for the picture of a point
   */
  constructor(parent, ask) {
    this.box = made("div", "card");
    this.picture = made("span", "picture");
    this.title = made("b", "");
    this.box.append(this.picture, this.title);
    this.box.hidden = true;
    parent.append(this.box);
    this.ask = ask;
    /** @type {Map<number, { sprite: string, size: number, at: number, title: string }>} of points */
    this.sprites = new Map();
    /** @type {number | null} the point that the card is about */
    this.index = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  forget() {
    this.sprites.clear();
    this.hide();
  }

  /**
   * Takes pictures: a sprite of one line in the order of the indices.
   *
   * @param {Pictures} pictures
   */
  take({ sprite, size, indices, titles }) {
    if (this.sprites.size > MOST_PICTURES) this.sprites.clear();
    indices.forEach((index, i) => this.sprites.set(index, { sprite, size, at: i, title: titles[i] }));
    if (this.index !== null) this.fill();
  }

  /**
   * @param {number} index of a point
   * @param {number} left @param {number} top of the cursor
   * @param {number} width of the map
   */
  show(index, left, top, width) {
    if (index !== this.index) {
      this.index = index;
      this.fill();
      clearTimeout(this.timer);
      if (!this.sprites.has(index)) this.timer = setTimeout(() => this.ask(index), REST_MS);
    }
    this.box.hidden = false;
    const right = left + 18 + this.box.offsetWidth > width;
    this.box.style.transform = `translate(${right ? left - 18 - this.box.offsetWidth : left + 18}px, ${Math.max(top - 40, 4)}px)`;
  }

  fill() {
    const known = this.index === null ? undefined : this.sprites.get(this.index);
    this.box.classList.toggle("waiting", !known);
    this.title.textContent = known?.title ?? "";
    if (!known) return;
    this.picture.style.cssText =
      `background-image:url(${known.sprite});background-position:-${known.at * known.size}px 0;` +
      `width:${known.size}px;height:${known.size}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.index = null;
    this.box.hidden = true;
  }
}
