// @ts-check
// Where the person is among the images of a board: the cursor, and the images that are picked.

/** @typedef {{ item: string }} Image */

export class Picks {
  constructor() {
    this.cursor = 0;
    this.anchor = 0; // where a pick with Shift begins
    /** @type {Set<number>} */
    this.picked = new Set();
    this.browsing = false; // whether the person went to where the cursor is, judged or not
  }

  /**
   * Goes to an image that waits, with none picked.
   *
   * @param {number} first
   */
  begin(first) {
    this.picked.clear();
    this.cursor = first;
    this.anchor = first;
    this.browsing = false;
  }

  /**
   * Stays with the images that one was at, wherever they are now; what is gone is followed by what came after it.
   *
   * @param {Image[]} before
   * @param {Image[]} now
   * @param {(index: number) => number} settle where to go from the image that is there now, or from -1 if none is
   */
  keep(before, now, settle) {
    const place = new Map(now.map(({ item }, i) => [item, i]));
    /** @param {number} index */
    const at = (index) => (before[index] ? place.get(before[index].item) : undefined);
    this.picked = new Set([...this.picked].map(at).filter((i) => i !== undefined));
    const after = before.slice(this.cursor).map(({ item }) => place.get(item));
    const cursor = after.find((i) => i !== undefined);
    if (cursor === undefined) this.browsing = false;
    this.cursor = settle(cursor ?? -1);
    this.anchor = at(this.anchor) ?? this.cursor;
  }

  /**
   * Goes to an image; with `extend` it picks all on the way from the anchor.
   *
   * @param {number} index
   * @param {number} n how many images there are
   * @param {boolean} extend
   */
  go(index, n, extend) {
    const to = Math.min(Math.max(index, 0), n - 1);
    if (extend) {
      const from = this.anchor;
      for (let i = Math.min(from, to); i <= Math.max(from, to); i += 1) this.picked.add(i);
    } else this.anchor = to;
    this.cursor = to;
    this.browsing = true;
  }

  /** @param {number} index */
  toggle(index) {
    if (!this.picked.delete(index)) this.picked.add(index);
    this.cursor = index;
    this.anchor = index;
  }

  /**
   * The images that a statement is about: those picked, else the one under the cursor.
   *
   * @param {number} n how many images there are
   */
  targets(n) {
    if (this.picked.size) return [...this.picked].sort((a, b) => a - b);
    return this.cursor >= 0 && this.cursor < n ? [this.cursor] : [];
  }
}
