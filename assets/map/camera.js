// @ts-check
// Which part of the map is seen. World: the unit square, y upwards. Screen: CSS pixels from the top left, y downwards.
const ZOOM = { least: 0.5, most: 400 };
const MARGIN = 0.92; // share of the shorter side that the unit square takes before anybody zooms

/** @typedef {{ x: number, y: number, zoom: number }} View what is in the middle, and how large */
/** @typedef {[number, number]} Point of the world or of the screen */

export class Camera {
  /** @param {View} [saved] */
  constructor(saved) {
    this.x = 0.5;
    this.y = 0.5;
    this.zoom = 1;
    this.width = 1;
    this.height = 1;
    if (saved && [saved.x, saved.y, saved.zoom].every(Number.isFinite)) this.set(saved.x, saved.y, saved.zoom);
  }

  /** Shows the whole unit square. */
  home() {
    [this.x, this.y, this.zoom] = [0.5, 0.5, 1];
  }

  /** @param {number} x @param {number} y @param {number} zoom */
  set(x, y, zoom) {
    this.zoom = Math.min(Math.max(zoom, ZOOM.least), ZOOM.most);
    this.x = Math.min(Math.max(x, -0.5), 1.5);
    this.y = Math.min(Math.max(y, -0.5), 1.5);
  }

  /** @param {number} width @param {number} height in CSS pixels */
  resize(width, height) {
    [this.width, this.height] = [Math.max(width, 1), Math.max(height, 1)];
  }

  /** CSS pixels for each unit of the world. */
  get scale() {
    return this.zoom * Math.min(this.width, this.height) * MARGIN;
  }

  /** @param {number} x @param {number} y @returns {Point} */
  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  /** @param {number} left @param {number} top @returns {Point} */
  toWorld(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  /**
   * Moves the view by a number of pixels of the screen.
   *
   * @param {number} right @param {number} down
   */
  pan(right, down) {
    this.set(this.x - right / this.scale, this.y + down / this.scale, this.zoom);
  }

  /**
   * Zooms by a factor around a point of the screen.
   *
   * @param {number} left @param {number} top @param {number} factor
   */
  zoomAt(left, top, factor) {
    const [x, y] = this.toWorld(left, top);
    this.set(this.x, this.y, this.zoom * factor);
    const [newX, newY] = this.toWorld(left, top);
    this.set(this.x + x - newX, this.y + y - newY, this.zoom);
  }

  /** @returns {View} */
  saved() {
    return { x: this.x, y: this.y, zoom: this.zoom };
  }
}
