// The map of the images. Python sends one buffer (dgm_engine/services/mapping.py): a header in JSON, then groups and flags
// of all points, whose positions come by places.js. Positions that change are moved to, colours are swapped at once; where
// one looks, the chosen tool and dimmed groups are the browser's own and survive both.
// Triggers: enclosed {token, look, polygon, mode, dimmed groups}, opened {token, index}, ended; state: unable (a reason, in words).
const TOOLS = {
  lasso: { sign: "lasso_select", help: "Lasso (L): draw around points to select them; Shift adds, Alt takes away" },
  box: { sign: "select", help: "Box (B): drag a box around points; Shift adds, Alt takes away" },
  pan: { sign: "open_with", help: "Move (M): drag the map; the wheel zooms with every tool" },
  nearer: { sign: "add", help: "Zoom in (+)" },
  farther: { sign: "remove", help: "Zoom out (−)" },
  all: { sign: "fit_screen", help: "Show everything (Home)" },
  prototypes: { sign: "grid_view", help: "Prototypes (P): what the model imagines for each cluster" },
};
const MOVE_MS = 900;
const REACH = 14; // CSS pixels around the cursor in which a point is found
const AROUND = 60; // pictures that are asked for at once
const SLOP = 4; // pixels that a click may slip
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const byFinger = matchMedia("(pointer: coarse)"); // a lasso would take the finger that scrolls the page
const maps = new WeakMap();

class ImageMap {
  constructor(root) {
    this.root = root;
    this.field = root.querySelector(".field");
    this.canvas = root.querySelector(".points");
    this.points = new Points(this.canvas);
    this.live = new Live(this.field);
    this.labels = new Labels(this.field);
    this.legend = new Legend(root, () => this.recolour());
    this.tools = new Tools(this.field, TOOLS, (name) => this.choose(name));
    this.mark = new Mark(this.field);
    this.card = new Card(this.field, (index) => this.askForPictures(index));
    [this.header, this.early, this.moved, this.pointers, this.drawn] = [null, null, 1, new Map(), null];
    this.recall("");
    this.listen();
  }

  /** Browsers allow a page few drawings at once: this one's is given back. */
  dispose() {
    this.observer.disconnect();
    document.removeEventListener("dgm-pictures", this.onPictures);
    document.removeEventListener("dgm-live", this.onLive);
    document.removeEventListener("dgm-places", this.onPlaces);
    document.removeEventListener("dgm-mark", this.onMark);
    this.points.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  // --- what comes from Python ---

  take(bytes) {
    const { header, buffer, start } = parsed(bytes);
    const places = window.dgmPlaces;
    this.early = places?.token === header.token ? null : bytes; // colours may come before their positions
    if (this.early) return;
    const [groups, flags] = [0, 1].map((part) => new Uint8Array(buffer, start + part * header.n, header.n));
    const before = this.header;
    this.header = header;
    if (before?.order !== header.order) this.recall(header.order);
    if (before?.look !== header.look) this.card.forget(); // what it said of images may be another now
    if (before?.token !== header.token) this.replace(places.xy, before?.order === header.order ? this.xy : null);
    this.groups = groups;
    this.flags = flags;
    this.points.setGroups(groups);
    this.points.setFlags(flags);
    this.legend.set(header.legend);
    this.setLabels();
    this.recolour();
    this.root.dataset.token = header.token;
    this.root.dataset.look = header.look;
  }

  /** Tells the page what was done; on a narrow screen, what comes of it stands below the map. */
  tell(name, value) {
    this.send(name, value);
    const beside = document.querySelector(".st-key-panel_frame");
    if (innerWidth < 640 && beside) setTimeout(() => beside.scrollIntoView({ behavior: "smooth" }), 400);
  }

  /** Other positions; points that are still the same ones move there. */
  replace(xy, from) {
    this.xy = xy;
    this.points.setPositions(xy, from);
    this.neighbourhood = null;
    if (!from) this.card.forget();
    this.moved = 1;
    if (!from || calm.matches) return;
    const began = performance.now();
    const step = (now) => {
      const share = Math.min(Math.max((now - began) / MOVE_MS, 0), 1);
      this.moved = share * share * (3 - 2 * share);
      this.draw(share < 1);
      if (share < 1 && this.xy === xy) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  setLabels() {
    this.labels.set(this.header.labels, this.prototypes ? this.header.prototypes : null);
  }

  recolour() {
    const { palette } = this.header;
    this.points.setPalette(new Uint8Array(palette.flatMap((hex, g) => [
      ...[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)),
      this.legend.shows(g) ? 255 : 128,
    ])));
    this.draw();
  }

  // --- drawing ---

  /** Asks for a frame; `quick` ones draw a sample of many points, and all of them follow when the map rests. */
  draw(quick = false) {
    this.quick = quick;
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      if (!this.header || !this.root.isConnected) return; // a page that is left has no colours any more
      const began = performance.now();
      this.points.draw(this.camera, devicePixelRatio, this.moved, this.ink(), this.quick, this.live.shown);
      const onTheirWay = this.live.draw(this.camera, devicePixelRatio, began, (index) => this.strength(index));
      if (onTheirWay) requestAnimationFrame(() => this.draw(true));
      this.labels.place(
        this.camera,
        (group) => group === null || this.legend.shows(group),
        (label) => (this.live.shown && this.live.middle(label.component, began)) || [label.x, label.y],
      );
      this.placeMark();
      this.root.dataset.painted = `${this.header.token} ${this.header.look}`;
      this.root.dataset.camera = JSON.stringify(this.camera.saved());
      this.root.dataset.frame = (performance.now() - began).toFixed(1);
      clearTimeout(this.rest);
      if (this.quick) this.rest = setTimeout(() => this.draw(), 150);
    });
  }

  hues(points) {
    return points.map((index) => this.header.palette[this.groups[index]]);
  }

  /** How strongly a point that the model at work moves is drawn: filters, dimmed groups and the selection hold. */
  strength(index) {
    if (this.flags[index] & MUTED) return 0.06;
    if (!this.legend.shows(this.groups[index])) return 0.1;
    return this.points.anySelected && !(this.flags[index] & SELECTED) ? 0.3 : 1;
  }

  /** A ring around the image that one looks at beside the map. */
  placeMark() {
    const { order, point } = window.dgmMark ?? {};
    const known = this.header && order === this.header.order && point !== null;
    this.mark.place(known ? this.onScreen(point) : null);
  }

  onScreen(index) {
    return this.camera.toScreen(this.xy[2 * index] / 65535, this.xy[2 * index + 1] / 65535);
  }

  ink() {
    const [r, g, b] = getComputedStyle(this.root).color.match(/[\d.]+/g).map(Number);
    return [r / 255, g / 255, b / 255];
  }

  resize() {
    this.camera.resize(this.field.clientWidth, this.field.clientHeight);
    this.draw();
  }

  /** Where one looked when these images were last on this tab's map. */
  recall(order) {
    this.memory = `dgm-map-${order}`;
    const kept = JSON.parse(sessionStorage.getItem(this.memory) ?? "{}");
    this.camera = new Camera(kept.camera);
    [this.tool, this.prototypes] = [kept.tool ?? (byFinger.matches ? "pan" : "lasso"), kept.prototypes ?? false];
    this.press();
    this.resize();
  }

  remember() {
    const kept = { camera: this.camera.saved(), tool: this.tool, prototypes: this.prototypes };
    sessionStorage.setItem(this.memory, JSON.stringify(kept));
  }

  look(quick) {
    this.card.hide();
    this.draw(quick);
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.remember(), 200);
  }

  // --- tools ---

  choose(name) {
    const middle = [this.camera.width / 2, this.camera.height / 2];
    if (name === "nearer") this.camera.zoomAt(...middle, 1.5);
    else if (name === "farther") this.camera.zoomAt(...middle, 1 / 1.5);
    else if (name === "all") this.camera.home();
    else if (name === "prototypes") {
      this.prototypes = !this.prototypes;
      this.setLabels();
    } else this.tool = name;
    this.press();
    this.look();
  }

  press() {
    this.tools.press([this.tool, ...(this.prototypes ? ["prototypes"] : [])]);
    this.root.dataset.tool = this.tool;
  }

  listen() {
    const { root, canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.cancel(event));
    canvas.addEventListener("pointerleave", () => this.card.hide());
    canvas.addEventListener("dblclick", (event) => this.at(...place(event)) === undefined && this.send("ended", true));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const speed = event.ctrlKey ? 0.01 : 0.0015; // a pinch on a touchpad comes as a wheel with Ctrl
      this.camera.zoomAt(...place(event), Math.exp(-event.deltaY * lines * speed));
      this.look(true);
    }, { passive: false });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.points = new Points(canvas);
      this.points.setPositions(this.xy, null);
      this.points.setGroups(this.groups);
      this.points.setFlags(this.flags);
      this.recolour();
    });
    root.addEventListener("keydown", (event) => this.key(event));
    this.onPictures = ({ detail }) => {
      if (detail.order === this.header?.order) this.card.take(detail);
    };
    document.addEventListener("dgm-pictures", this.onPictures);
    this.onPlaces = () => this.early && this.take(this.early);
    document.addEventListener("dgm-places", this.onPlaces);
    this.onMark = () => this.placeMark();
    document.addEventListener("dgm-mark", this.onMark);
    this.onLive = ({ detail }) => {
      if (detail?.order && detail.order === this.header?.order) this.live.take({ ...detail, hues: detail.hues ?? this.hues(detail.points) }, performance.now());
      else this.live.stop();
      this.root.dataset.live = this.live.hues.length;
      this.draw();
    };
    document.addEventListener("dgm-live", this.onLive);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.field);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const names = { l: "lasso", b: "box", m: "pan", p: "prototypes", "+": "nearer", "=": "nearer", "-": "farther", Home: "all" };
    if (moves[event.key]) {
      this.camera.pan(...moves[event.key]);
      this.look(true);
    } else if (names[event.key]) this.choose(names[event.key]);
    else if (event.key === "Escape") {
      if (this.drawn) this.cancel();
      else this.send("ended", true);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, place(event));
    this.root.focus({ preventScroll: true });
    this.card.hide();
    if (this.pointers.size > 1) {
      this.cancelDrawing(); // two fingers move and zoom
      return;
    }
    const dragging = this.tool === "pan" || event.button !== 0;
    const mode = event.shiftKey ? "add" : event.altKey ? "subtract" : "replace";
    this.drawn = { start: place(event), path: [place(event)], dragging, mode, slipped: false };
  }

  move(event) {
    const here = place(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.hover(here);
      return;
    }
    if (this.pointers.size === 2) {
      this.pinch(event.pointerId, before, here);
      return;
    }
    const { drawn } = this;
    if (!drawn) return;
    drawn.slipped ||= Math.hypot(here[0] - drawn.start[0], here[1] - drawn.start[1]) > SLOP;
    if (drawn.dragging) {
      this.camera.pan(here[0] - before[0], here[1] - before[1]);
      this.pointers.set(event.pointerId, here);
      this.look(true);
      return;
    }
    const last = drawn.path.at(-1);
    if (this.tool === "box") drawn.path = corners(drawn.start, here);
    else if (Math.hypot(here[0] - last[0], here[1] - last[1]) > 2) drawn.path.push(here);
    if (drawn.slipped) this.tools.outline(drawn.path);
  }

  pinch(id, before, here) {
    const [, other] = [...this.pointers].find(([key]) => key !== id);
    const apart = (a) => Math.max(Math.hypot(a[0] - other[0], a[1] - other[1]), 1);
    this.camera.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    this.camera.zoomAt((here[0] + other[0]) / 2, (here[1] + other[1]) / 2, apart(here) / apart(before));
    this.pointers.set(id, here);
    this.look(true);
  }

  up(event) {
    const { drawn } = this;
    const alone = this.pointers.size === 1;
    this.pointers.delete(event.pointerId);
    this.cancelDrawing();
    if (!drawn || !alone) return;
    if (!drawn.slipped) {
      const index = this.at(...place(event));
      if (index !== undefined && event.button === 0) this.tell("opened", { token: this.header.token, index });
    } else if (!drawn.dragging && drawn.path.length > 2) {
      const polygon = drawn.path.map((corner) => this.camera.toWorld(...corner));
      const dimmed = this.header.palette.map((_, g) => g).filter((g) => !this.legend.shows(g));
      this.tell("enclosed", { token: this.header.token, look: this.header.look, polygon, mode: drawn.mode, dimmed });
    }
  }

  cancel(event) {
    if (event) this.pointers.delete(event.pointerId);
    this.cancelDrawing();
  }

  cancelDrawing() {
    this.drawn = null;
    this.tools.outline([]);
  }

  // --- the point under the cursor ---

  /** Index of the point at a place of the screen; undefined where there is none. */
  at(left, top) {
    return this.near(left, top, REACH, 1)[0];
  }

  near(left, top, reach, most) {
    if (!this.header) return [];
    this.neighbourhood ??= new Neighbourhood(this.xy);
    const shown = (i) => this.legend.shows(this.groups[i]) && !(this.flags[i] & MUTED);
    return this.neighbourhood.near(...this.camera.toWorld(left, top), reach / this.camera.scale, most, shown);
  }

  hover(here) {
    const index = this.at(...here);
    this.canvas.style.cursor = index === undefined ? "" : "pointer";
    if (index === undefined) this.card.hide();
    else this.card.show(index, ...here, this.camera.width);
  }

  /** Asks for the pictures of a point and of those around it, which the cursor may reach next. */
  askForPictures(index) {
    const [left, top] = this.onScreen(index);
    const around = this.near(left, top, 6 * REACH, AROUND).filter((i) => !this.card.sprites.has(i));
    const detail = { token: this.header.token, indices: [...new Set([index, ...around])].slice(0, AROUND) };
    document.dispatchEvent(new CustomEvent("dgm-pictures-wanted", { detail }));
  }
}

function place(event) {
  return [event.offsetX, event.offsetY];
}

function corners([x0, y0], [x1, y1]) {
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".map");
  let map = maps.get(root);
  if (map === undefined) {
    try {
      map = new ImageMap(root);
    } catch (error) {
      console.error(error);
      setStateValue("unable", String(error.message));
      map = null;
    }
    maps.set(root, map);
  }
  if (!map) return undefined;
  map.send = setTriggerValue;
  map.take(data);
  return () => setTimeout(() => root.isConnected || map.dispose(), 1000); // it is only moved where it is still there
}
