// @ts-check
// Finds the points near a place: they are sorted into cells of a square grid once for each layout.
import { COORDINATE_STEPS } from "../contract.js";

export class Neighbourhood {
  /** @param {Uint16Array} xy (n) positions, two uint16 each */
  constructor(xy) {
    const n = xy.length / 2;
    this.xy = xy;
    this.bits = n > 200_000 ? 8 : 9; // of 16 that a cell leaves out: a side of 256 or 128 cells
    this.side = (COORDINATE_STEPS + 1) >> this.bits;
    this.first = new Uint32Array(this.side * this.side + 1);
    for (let i = 0; i < n; i += 1) this.first[this.cell(xy[2 * i], xy[2 * i + 1]) + 1] += 1;
    for (let c = 1; c < this.first.length; c += 1) this.first[c] += this.first[c - 1];
    const next = this.first.slice();
    this.points = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) this.points[next[this.cell(xy[2 * i], xy[2 * i + 1])]++] = i;
  }

  /** @param {number} x @param {number} y */
  cell(x, y) {
    return (y >> this.bits) * this.side + (x >> this.bits);
  }

  /**
   * Indices of the points within a distance, the nearest first, at most `most`; all in the world's units.
   *
   * @param {number} x @param {number} y @param {number} distance @param {number} most
   * @param {(index: number) => boolean} shown
   */
  near(x, y, distance, most, shown) {
    const [u, v, r] = [x * COORDINATE_STEPS, y * COORDINATE_STEPS, distance * COORDINATE_STEPS];
    const width = 2 ** this.bits;
    const [column, row] = [Math.floor(u / width), Math.floor(v / width)];
    /** @type {[number, number][]} how far away, and which */
    let found = [];
    for (let steps = 0; (steps - 1) * width <= r; steps += 1) {
      for (const c of this.ring(column, row, steps)) {
        for (let p = this.first[c]; p < this.first[c + 1]; p += 1) {
          const i = this.points[p];
          const away = Math.hypot(this.xy[2 * i] - u, this.xy[2 * i + 1] - v);
          if (away <= r && shown(i)) found.push([away, i]);
        }
      }
      if (found.length < most) continue;
      found = found.sort((a, b) => a[0] - b[0]).slice(0, most);
      if (found[most - 1][0] <= steps * width) break; // the next ring is further away
    }
    return found.sort((a, b) => a[0] - b[0]).map(([, i]) => i);
  }

  /**
   * The cells of the grid at a distance of `steps` from one, along the longer axis.
   *
   * @param {number} column @param {number} row @param {number} steps
   */
  *ring(column, row, steps) {
    for (let y = Math.max(row - steps, 0); y <= Math.min(row + steps, this.side - 1); y += 1) {
      const apart = Math.abs(y - row) === steps ? 1 : 2 * steps; // the whole line, or its two ends
      for (let x = column - steps; x <= column + steps; x += apart) {
        if (x >= 0 && x < this.side) yield y * this.side + x;
      }
    }
  }
}
