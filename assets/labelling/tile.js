// @ts-check
// One image of a board: its picture, and what is known of it.
import { made } from "../elements.js";
/** @import { BoardClass, BoardData, Tile } from "../contract.js" */
/** @import { Word } from "./ledger.js" */

const TINY = 16; // pictures of so few pixels are enlarged pixel by pixel

/** @typedef {{ mark: string, judged: boolean, colour: string }} Known */

/**
 * What is known of a tile now: what was just said of it, or what the server knows.
 *
 * @param {Tile} tile
 * @param {Word | null | undefined} word said of it, null if that was taken back
 * @param {BoardClass[]} classes
 * @returns {Known}
 */
export function known(tile, word, classes) {
  const { mark, judged, colour } = tile;
  if (word === undefined) return { mark, judged, colour };
  if (word === null || word.kind === "clear") return { mark: "", judged: false, colour };
  const own = word.kind === "label" ? classes.find((c) => c.name === word.name)?.colour : undefined;
  return { mark: inWords(word.kind, word.name), judged: true, colour: own ?? colour };
}

/**
 * What was said, in a word or two.
 *
 * @param {Word["kind"]} kind
 * @param {string} name of the class, or classes
 */
export function inWords(kind, name) {
  return { label: name, reject: `not ${name}`, none: "none", skip: "skipped", clear: "cleared", undo: "undone" }[kind];
}

/**
 * The picture of a tile, cut from the sprite in shares of its size, so that it fits any square.
 *
 * @param {BoardData} data
 * @param {number} index
 */
export function picture({ columns, cell, step, tiles }, index) {
  const lines = Math.ceil(tiles.length / columns);
  /** @param {number} at @param {number} n */
  const share = (at, n) => (100 * at * step) / (n * step - cell || 1);
  const cut = made("span", "picture");
  cut.classList.toggle("tiny", cell <= TINY);
  cut.style.backgroundSize = `${(100 * columns * step) / cell}% ${(100 * lines * step) / cell}%`;
  cut.style.backgroundPosition = `${share(index % columns, columns)}% ${share(Math.floor(index / columns), lines)}%`;
  return cut;
}
