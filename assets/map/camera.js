// Which part of the map is seen. World: the unit square, y upwards. Screen: CSS pixels from the top left, y downwards.
const ZOOM = { least: 0.5, most: 400 };
const MARGIN = 0.92; // share of the shorter side that the unit square takes before anybody zooms

class Camera {
  constructor(saved) {
    this.home();
    if (saved && [saved.x, saved.y, saved.zoom].every(Number.isFinite)) this.set(saved.x, saved.y, saved.zoom);
  }

  home() {
    [this.x, this.y, this.zoom] = [0.5, 0.5, 1];
  }

  set(x, y, zoom) {
    this.zoom = Math.min(Math.max(zoom, ZOOM.least), ZOOM.most);
    this.x = Math.min(Math.max(x, -0.5), 1.5);
    this.y = Math.min(Math.max(y, -0.5), 1.5);
  }

  resize(width, height) {
    [this.width, this.height] = [Math.max(width, 1), Math.max(height, 1)];
  }

  /** CSS pixels for each unit of the world. */
  get scale() {
    return this.zoom * Math.min(this.width, this.height) * MARGIN;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, this.height / 2 - (y - this.y) * this.scale];
  }

  toWorld(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  /** Moves what is seen by so many pixels of the screen. */
  pan(right, down) {
    this.set(this.x - right / this.scale, this.y + down / this.scale, this.zoom);
  }

  /** Zooms by a factor; what lies under the point of the screen stays there. */
  zoomAt(left, top, factor) {
    const [x, y] = this.toWorld(left, top);
    this.set(this.x, this.y, this.zoom * factor);
    const [newX, newY] = this.toWorld(left, top);
    this.set(this.x + x - newX, this.y + y - newY, this.zoom);
  }

  /** Frames a box of the world, (x0, y0) below and left of (x1, y1). */
  frame(x0, y0, x1, y1) {
    const unit = Math.min(this.width, this.height) * MARGIN;
    const room = 1.15; // some surroundings are seen too
    const across = Math.max(x1 - x0, 1e-3) * room;
    const up = Math.max(y1 - y0, 1e-3) * room;
    this.set((x0 + x1) / 2, (y0 + y1) / 2, Math.min(this.width / (unit * across), this.height / (unit * up), 40));
  }

  saved() {
    return { x: this.x, y: this.y, zoom: this.zoom };
  }
}
