// A sample of the points as the model sees them while it trains: they move over the map, which pales meanwhile, and the
// names of the clusters with them.
const LIVE_MS = 1200;

class Live {
  constructor(parent) {
    this.canvas = element("canvas", "live");
    this.note = element("div", "note");
    parent.append(this.canvas, this.note);
    this.stop();
  }

  get shown() {
    return this.xy.length > 0;
  }

  stop() {
    [this.points, this.xy, this.from, this.hues, this.components] = [[], [], [], [], []];
    this.note.hidden = true;
  }

  /** Takes positions, two numbers of the unit square each, colours and clusters; the same points as before move there. */
  take({ points, xy, hues, components }, now) {
    const from = this.shown && String(points) === String(this.points) ? this.at(now) : xy;
    Object.assign(this, { points, xy, from, hues, components, began: now });
    this.note.textContent = `Large points: ${points.length.toLocaleString()} of the images, as the model sees them now`;
    this.note.hidden = false;
  }

  /** The middle of a cluster's points where they are now; null where the sample has none of them. */
  middle(component, now) {
    const xy = this.at(now);
    const own = this.components.flatMap((k, i) => (k === component ? [i] : []));
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return own.length ? [median(own.map((i) => xy[2 * i])), median(own.map((i) => xy[2 * i + 1]))] : null;
  }

  at(now) {
    const share = Math.min((now - this.began) / LIVE_MS, 1);
    const eased = share * share * (3 - 2 * share);
    return this.xy.map((value, i) => this.from[i] + (value - this.from[i]) * eased);
  }

  /** Draws one frame, each point as strongly as `share` says; whether points are still on their way. */
  draw(camera, density, now, share) {
    const { canvas } = this;
    const [width, height] = this.shown ? [camera.width * density, camera.height * density].map(Math.round) : [0, 0];
    if (canvas.width || width) [canvas.width, canvas.height] = [width, height]; // which clears it
    if (!this.shown) return false;
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    const xy = this.at(now);
    this.hues.forEach((hue, i) => {
      pen.fillStyle = hue;
      pen.globalAlpha = share(this.points[i]);
      pen.beginPath();
      pen.arc(...camera.toScreen(xy[2 * i], xy[2 * i + 1]), 3, 0, 2 * Math.PI);
      pen.fill();
    });
    return now - this.began < LIVE_MS;
  }
}
