// @ts-check
// The point under the cursor, and what its card shows of it.
import { MUTED } from "../contract.js";
import { Neighbourhood } from "./neighbourhood.js";
/** @import { Point } from "./camera.js" */
/** @import { ImageMap } from "./map-view.js" */

const REACH = 14; // CSS pixels around the cursor in which a point is found
const AROUND = 60; // pictures that are asked for at once

export class Cursor {
  /** @param {ImageMap} map */
  constructor(map) {
    this.map = map;
    /** @type {Neighbourhood | null} of the positions; made when somebody points at one */
    this.neighbourhood = null;
  }

  /** The points are elsewhere now. */
  forget() {
    this.neighbourhood = null;
  }

  /**
   * Index of the point at a place of the screen; undefined if there is none.
   *
   * @param {number} left @param {number} top
   * @returns {number | undefined}
   */
  at(left, top) {
    return this.near(left, top, REACH, 1)[0];
  }

  /** @param {number} left @param {number} top @param {number} reach @param {number} most */
  near(left, top, reach, most) {
    const { map } = this;
    if (!map.header) return [];
    this.neighbourhood ??= new Neighbourhood(map.xy);
    /** @param {number} i */
    const shown = (i) => map.legend.shows(map.groups[i]) && !(map.flags[i] & MUTED);
    return this.neighbourhood.near(...map.camera.toWorld(left, top), reach / map.camera.scale, most, shown);
  }

  /** @param {Point} here */
  hover(here) {
    const { map } = this;
    const index = this.at(...here);
    map.canvas.style.cursor = index === undefined ? "" : "pointer";
    if (index === undefined) map.card.hide();
    else map.card.show(index, ...here, map.camera.width);
  }

  /**
   * Asks for the pictures of a point and of those around it, which the cursor may reach next.
   *
   * @param {number} index
   */
  ask(index) {
    const { map } = this;
    if (!map.header) return;
    const [left, top] = map.onScreen(index);
    const around = this.near(left, top, 6 * REACH, AROUND).filter((i) => !map.card.sprites.has(i));
    const indices = [...new Set([index, ...around])].slice(0, AROUND);
    document.dispatchEvent(new CustomEvent("dgm-pictures-wanted", { detail: { token: map.header.token, indices } }));
  }
}
