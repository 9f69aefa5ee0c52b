// @ts-check
// What a mouse or fingers do on the map: lassos, boxes and clicks, and moving and zooming with one hand or two fingers.
/** @import { Enclosed } from "../contract.js" */
/** @import { Point } from "./camera.js" */
/** @import { ImageMap } from "./map-view.js" */

const SLOP = 4; // pixels that a click may slip
const APART = 2; // pixels between corners of a lasso, at least
const LINE = 16; // pixels that a wheel means by a line

/**
 * @typedef {object} Stroke
 * @property {Point} start
 * @property {Point[]} path
 * @property {boolean} dragging whether it moves the map
 * @property {Enclosed["mode"]} mode
 * @property {boolean} slipped whether it is more than a click
 */

export class Gestures {
  /** @param {ImageMap} map */
  constructor(map) {
    this.map = map;
    /** @type {Map<number, Point>} where each finger, or the mouse, is */
    this.pointers = new Map();
    /** @type {Stroke | null} */
    this.drawn = null;
    const { canvas } = map;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.cancel(event));
    canvas.addEventListener("pointerleave", () => map.card.hide());
    canvas.addEventListener("dblclick", (event) => map.cursor.at(...placeOf(event)) === undefined && map.end());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? LINE : 1);
    const speed = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touchpad comes as a wheel with Ctrl
    this.map.camera.zoomAt(...placeOf(event), Math.exp(-pixels * speed));
    this.map.look(true);
  }

  /** @param {PointerEvent} event */
  down(event) {
    const { map } = this;
    map.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, placeOf(event));
    map.root.focus({ preventScroll: true });
    map.card.hide();
    if (this.pointers.size > 1) {
      this.stop(); // two fingers move and zoom
      return;
    }
    const dragging = map.tool === "pan" || event.button !== 0;
    const mode = event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
    this.drawn = { start: placeOf(event), path: [placeOf(event)], dragging, mode, slipped: false };
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { map, drawn } = this;
    const here = placeOf(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") map.cursor.hover(here);
      return;
    }
    if (this.pointers.size === 2) {
      this.pinch(event.pointerId, before, here);
      return;
    }
    if (!drawn) return;
    drawn.slipped ||= distance(here, drawn.start) > SLOP;
    if (drawn.dragging) {
      map.camera.pan(here[0] - before[0], here[1] - before[1]);
      this.pointers.set(event.pointerId, here);
      map.look(true);
      return;
    }
    if (map.tool === "box") drawn.path = corners(drawn.start, here);
    else if (distance(here, drawn.path[drawn.path.length - 1]) > APART) drawn.path.push(here);
    if (drawn.slipped) map.tools.outline(drawn.path);
  }

  /**
   * @param {number} id of the finger that moves
   * @param {Point} before
   * @param {Point} here
   */
  pinch(id, before, here) {
    const { camera } = this.map;
    const other = [...this.pointers].find(([key]) => key !== id)?.[1] ?? here;
    /** @param {Point} place */
    const apart = (place) => Math.max(distance(place, other), 1);
    camera.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    camera.zoomAt((here[0] + other[0]) / 2, (here[1] + other[1]) / 2, apart(here) / apart(before));
    this.pointers.set(id, here);
    this.map.look(true);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const { map, drawn } = this;
    const alone = this.pointers.size === 1;
    this.pointers.delete(event.pointerId);
    this.stop();
    if (!drawn || !alone) return;
    if (!drawn.slipped) {
      const index = map.cursor.at(...placeOf(event));
      if (index !== undefined && event.button === 0) map.open(index);
    } else if (!drawn.dragging && drawn.path.length > 2) map.enclose(drawn.path, drawn.mode);
  }

  /** @param {PointerEvent} event */
  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.stop();
  }

  /** Leaves off drawing. */
  stop() {
    this.drawn = null;
    this.map.tools.outline([]);
  }
}

/** @param {MouseEvent} event @returns {Point} */
function placeOf(event) {
  return [event.offsetX, event.offsetY];
}

/** @param {Point} a @param {Point} b */
function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

/** @param {Point} a @param {Point} b @returns {Point[]} of a box */
function corners([x0, y0], [x1, y1]) {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}
