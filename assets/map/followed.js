// @ts-check
// A sample of the points as the model sees them while it trains: they move over the map, which pales meanwhile, and the
// names of the clusters with them.
import { made } from "../elements.js";
/** @import { Live } from "../contract.js" */
/** @import { Camera, Point } from "./camera.js" */

const LIVE_MS = 1200;
/** @type {Live & { hues: string[] }} */
const NOTHING = { order: "", points: [], xy: [], hues: [], components: [] };

export class Followed {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.canvas = made("canvas", "live");
    this.note = made("div", "note");
    parent.append(this.canvas, this.note);
    this.sample = NOTHING;
    /** @type {number[]} the positions that the points move from */
    this.from = [];
    this.began = 0;
    this.stop();
  }

  get shown() {
    return this.sample.xy.length > 0;
  }

  stop() {
    [this.sample, this.from] = [NOTHING, []];
    this.note.hidden = true;
  }

  /**
   * Takes positions, two numbers of the unit square each, colours and clusters; the same points as before move there.
   *
   * @param {Live & { hues: string[] }} sample
   * @param {number} now
   */
  take(sample, now) {
    const { points, xy } = sample;
    const from = this.shown && String(points) === String(this.sample.points) ? this.at(now) : xy;
    [this.sample, this.from, this.began] = [sample, from, now];
    this.note.textContent = `Large points: ${points.length.toLocaleString()} of the images, as the model sees them now`;
    this.note.hidden = false;
  }

  /**
   * The middle of a cluster's points where they are now; null if the sample has none of them.
   *
   * @param {number} component
   * @param {number} now
   * @returns {Point | null}
   */
  middle(component, now) {
    const xy = this.at(now);
    const own = this.sample.components.flatMap((k, i) => (k === component ? [i] : []));
    /** @param {number[]} values */
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return own.length ? [median(own.map((i) => xy[2 * i])), median(own.map((i) => xy[2 * i + 1]))] : null;
  }

  /** @param {number} now */
  at(now) {
    const share = Math.min((now - this.began) / LIVE_MS, 1);
    const eased = share * share * (3 - 2 * share);
    return this.sample.xy.map((value, i) => this.from[i] + (value - this.from[i]) * eased);
  }

  /**
   * Draws one frame, each point as strongly as `share` says; whether points are still on their way.
   *
   * @param {Camera} camera
   * @param {number} density
   * @param {number} now
   * @param {(index: number) => number} share
   */
  draw(camera, density, now, share) {
    const { canvas } = this;
    const [width, height] = this.shown ? [camera.width * density, camera.height * density].map(Math.round) : [0, 0];
    if (canvas.width || width) [canvas.width, canvas.height] = [width, height]; // which clears it
    if (!this.shown) return false;
    const pen = canvas.getContext("2d");
    if (!pen) return false;
    pen.scale(density, density);
    const xy = this.at(now);
    this.sample.hues.forEach((hue, i) => {
      pen.fillStyle = hue;
      pen.globalAlpha = share(this.sample.points[i]);
      pen.beginPath();
      pen.arc(...camera.toScreen(xy[2 * i], xy[2 * i + 1]), 3, 0, 2 * Math.PI);
      pen.fill();
    });
    return now - this.began < LIVE_MS;
  }
}
