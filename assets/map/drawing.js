// @ts-check
// What is drawn of a map: its points, those that a model at work moves, the names, and the ring around one point.
import { MUTED, SELECTED } from "../contract.js";
import { Followed } from "./followed.js";
import { Labels } from "./labels.js";
import { Mark } from "./mark.js";
import { Points } from "./points.js";
/** @import { Live, LookHeader } from "../contract.js" */
/** @import { ImageMap } from "./map-view.js" */

const MOVE_MS = 900; // that points take to other places
const STILL_MS = 150; // after which a map that moved is drawn in full
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Drawing {
  /**
   * Throws if the browser has no WebGL2.
   *
   * @param {ImageMap} map
   */
  constructor(map) {
    this.map = map;
    this.points = new Points(map.canvas);
    this.live = new Followed(map.field);
    this.labels = new Labels(map.field);
    this.mark = new Mark(map.field);
    this.moved = 1; // the share of the way that the points have gone to where they are
    this.quick = false;
    /** @type {number | null} the frame that is asked for */
    this.asked = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.rest = undefined;
    map.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    map.canvas.addEventListener("webglcontextrestored", () => this.restore());
  }

  dispose() {
    this.points.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /**
   * Other positions; from those before, points move there.
   *
   * @param {Uint16Array} xy
   * @param {Uint16Array | null} from
   */
  move(xy, from) {
    this.points.setPositions(xy, from);
    this.moved = 1;
    if (!from || calm.matches) return;
    const began = performance.now();
    /** @param {number} now */
    const step = (now) => {
      const share = Math.min(Math.max((now - began) / MOVE_MS, 0), 1);
      this.moved = share * share * (3 - 2 * share);
      this.ask(share < 1);
      if (share < 1 && this.map.xy === xy) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  setGroups() {
    this.points.setGroups(this.map.groups);
    this.points.setFlags(this.map.flags);
  }

  /** @param {Live | null} live null for no model at work */
  follow(live) {
    if (live) this.live.take({ ...live, hues: live.hues ?? this.hues(live.points) }, performance.now());
    else this.live.stop();
    this.map.root.dataset.live = String(this.live.sample.hues.length);
    this.ask();
  }

  recolour() {
    if (!this.map.header) return;
    const rgba = this.map.header.palette.flatMap((hex, g) => [
      ...[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)),
      this.map.legend.shows(g) ? 255 : 128,
    ]);
    this.points.setPalette(new Uint8Array(rgba));
    this.ask();
  }

  /** The graphics card has forgotten everything. */
  restore() {
    this.points = new Points(this.map.canvas);
    this.points.setPositions(this.map.xy, null);
    this.setGroups();
    this.recolour();
  }

  /**
   * Asks for a frame; quick ones draw a sample of many points, and all of them follow when the map rests.
   *
   * @param {boolean} quick
   */
  ask(quick = false) {
    this.quick = quick;
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      const { header, root } = this.map;
      if (header && root.isConnected) this.frame(header); // a page that is left has no colours any more
    });
  }

  /** @param {LookHeader} header */
  frame({ token, look }) {
    const began = performance.now();
    const { live } = this;
    const { camera, legend, root } = this.map;
    this.points.draw(camera, devicePixelRatio, this.moved, this.ink(), this.quick, live.shown);
    const onTheirWay = live.draw(camera, devicePixelRatio, began, (index) => this.strength(index));
    if (onTheirWay) requestAnimationFrame(() => this.ask(true));
    this.labels.place(
      camera,
      (group) => group === null || legend.shows(group),
      (label) => (live.shown && live.middle(label.component, began)) || [label.x, label.y],
    );
    this.placeMark();
    root.dataset.painted = `${token} ${look}`;
    root.dataset.camera = JSON.stringify(camera.saved());
    root.dataset.frame = (performance.now() - began).toFixed(1);
    clearTimeout(this.rest);
    if (this.quick) this.rest = setTimeout(() => this.ask(), STILL_MS);
  }

  /** @param {number[]} points */
  hues(points) {
    return points.map((index) => this.map.header?.palette[this.map.groups[index]] ?? "");
  }

  /**
   * How strongly a point that the model at work moves is drawn: filters, dimmed groups and the selection hold.
   *
   * @param {number} index
   */
  strength(index) {
    if (this.map.flags[index] & MUTED) return 0.06;
    if (!this.map.legend.shows(this.map.groups[index])) return 0.1;
    return this.points.anySelected && !(this.map.flags[index] & SELECTED) ? 0.3 : 1;
  }

  /** A ring around the image that one looks at beside the map. */
  placeMark() {
    const { order, point = null } = window.dgmMark ?? {};
    const known = this.map.header && order === this.map.header.order;
    this.mark.place(known && point !== null ? this.map.onScreen(point) : null);
  }

  ink() {
    const rgb = getComputedStyle(this.map.root).color.match(/[\d.]+/g) ?? [];
    return rgb.slice(0, 3).map((part) => Number(part) / 255);
  }
}
