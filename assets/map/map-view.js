// @ts-check
// A map of the images in the page. Positions that change are moved to, colours are swapped at once; where one looks, the
// chosen tool and dimmed groups are the browser's own and survive both.
import { COORDINATE_STEPS } from "../contract.js";
import { found } from "../elements.js";
import { Camera } from "./camera.js";
import { Card } from "./card.js";
import { Cursor } from "./cursor.js";
import { Drawing } from "./drawing.js";
import { Gestures } from "./gestures.js";
import { Legend } from "./legend.js";
import { parsed } from "./message.js";
import { Tools, toolOf } from "./tools.js";
/** @import { Enclosed, Live, LookHeader, MapState, MapTriggers } from "../contract.js" */
/** @import { Component } from "../types.js" */
/** @import { Point } from "./camera.js" */
/** @import { Tool } from "./tools.js" */

/** @typedef {Component<Uint8Array, MapState, MapTriggers>} MapComponent */

const PAN = 60; // pixels that an arrow key moves the map
/** @type {Record<string, [number, number]>} */
const PANS = { ArrowLeft: [PAN, 0], ArrowRight: [-PAN, 0], ArrowUp: [0, PAN], ArrowDown: [0, -PAN] };
const byFinger = matchMedia("(pointer: coarse)"); // a lasso would take the finger that scrolls the page

export class ImageMap {
  /**
   * Throws if the browser has no WebGL2.
   *
   * @param {HTMLElement} root
   * @param {MapComponent} component
   */
  constructor(root, component) {
    this.root = root;
    this.component = component;
    this.field = found(root, ".field");
    /** @type {HTMLCanvasElement} */
    this.canvas = found(root, ".points");
    this.drawing = new Drawing(this);
    this.legend = new Legend(root, () => this.drawing.recolour());
    this.tools = new Tools(this.field, (tool) => this.choose(tool));
    this.cursor = new Cursor(this);
    this.card = new Card(this.field, (index) => this.cursor.ask(index));
    /** @type {LookHeader | null} */
    this.header = null;
    /** @type {Uint8Array | null} a look that came before its positions */
    this.early = null;
    /** @type {Uint16Array} (n) positions, two each */
    this.xy = new Uint16Array();
    this.groups = new Uint8Array();
    this.flags = new Uint8Array();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.remembering = undefined;
    this.memory = "";
    this.camera = new Camera();
    /** @type {Tool} */
    this.tool = "lasso";
    this.prototypes = false;
    this.recall("");
    this.gestures = new Gestures(this);
    this.listening = new AbortController();
    this.observer = new ResizeObserver(() => this.resize());
    this.listen();
  }

  /** Browsers allow a page few drawings at once: this one's is given back. */
  dispose() {
    this.observer.disconnect();
    this.listening.abort();
    this.drawing.dispose();
  }

  listen() {
    const { signal } = this.listening;
    this.root.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener(
      "dgm-pictures",
      ({ detail }) => detail.order === this.header?.order && this.card.take(detail),
      { signal },
    );
    document.addEventListener("dgm-places", () => this.early && this.take(this.early), { signal });
    document.addEventListener("dgm-mark", () => this.drawing.placeMark(), { signal });
    document.addEventListener("dgm-live", ({ detail }) => this.follow(detail), { signal });
    this.observer.observe(this.field);
  }

  // --- what comes from Python ---

  /** @param {Uint8Array} bytes */
  take(bytes) {
    /** @type {{ header: LookHeader, buffer: ArrayBuffer, start: number }} */
    const { header, buffer, start } = parsed(bytes);
    const places = window.dgmPlaces;
    this.early = places?.token === header.token ? null : bytes; // colours may come before their positions
    if (this.early || !places) return;
    const before = this.header;
    this.header = header;
    if (before?.order !== header.order) this.recall(header.order);
    if (before?.look !== header.look) this.card.forget(); // what it said of images may be another now
    if (before?.token !== header.token) this.replace(places.xy, before?.order === header.order ? this.xy : null);
    this.groups = new Uint8Array(buffer, start, header.n);
    this.flags = new Uint8Array(buffer, start + header.n, header.n);
    this.drawing.setGroups();
    this.legend.set(header.legend);
    this.setLabels();
    this.drawing.recolour();
    this.root.dataset.token = header.token;
    this.root.dataset.look = header.look;
  }

  /**
   * Other positions; points that are still the same ones move there.
   *
   * @param {Uint16Array} xy
   * @param {Uint16Array | null} from
   */
  replace(xy, from) {
    this.xy = xy;
    this.cursor.forget();
    if (!from) this.card.forget();
    this.drawing.move(xy, from);
  }

  /** @param {Live} live */
  follow(live) {
    this.drawing.follow(live.order && live.order === this.header?.order ? live : null);
  }

  setLabels() {
    if (this.header) this.drawing.labels.set(this.header.labels, this.prototypes ? this.header.prototypes : null);
  }

  // --- what goes to Python ---

  /** @param {number} index of the point to open */
  open(index) {
    if (this.header) this.component.setTriggerValue("opened", { token: this.header.token, index });
    this.scroll();
  }

  /**
   * @param {Point[]} path on the screen
   * @param {Enclosed["mode"]} mode
   */
  enclose(path, mode) {
    if (!this.header) return;
    const { token, look, palette } = this.header;
    const polygon = path.map((corner) => this.camera.toWorld(...corner));
    const dimmed = palette.map((_, g) => g).filter((g) => !this.legend.shows(g));
    this.component.setTriggerValue("enclosed", { token, look, polygon, mode, dimmed });
    this.scroll();
  }

  end() {
    this.component.setTriggerValue("ended", true);
  }

  /** On a narrow screen, what comes of something stands below the map. */
  scroll() {
    const beside = document.querySelector(".st-key-panel_frame");
    if (innerWidth < 640 && beside) setTimeout(() => beside.scrollIntoView({ behavior: "smooth" }), 400);
  }

  /** @param {number} index */
  onScreen(index) {
    return this.camera.toScreen(this.xy[2 * index] / COORDINATE_STEPS, this.xy[2 * index + 1] / COORDINATE_STEPS);
  }

  resize() {
    this.camera.resize(this.field.clientWidth, this.field.clientHeight);
    this.drawing.ask();
  }

  // --- where one looks, and with which tool ---

  /**
   * Goes to where one looked when these images were last on this tab's map.
   *
   * @param {string} order
   */
  recall(order) {
    this.memory = `dgm-map-${order}`;
    const kept = JSON.parse(sessionStorage.getItem(this.memory) ?? "{}");
    this.camera = new Camera(kept.camera);
    this.tool = kept.tool ?? (byFinger.matches ? "pan" : "lasso");
    this.prototypes = kept.prototypes ?? false;
    this.press();
    this.resize();
  }

  remember() {
    const kept = { camera: this.camera.saved(), tool: this.tool, prototypes: this.prototypes };
    sessionStorage.setItem(this.memory, JSON.stringify(kept));
  }

  look(quick = false) {
    this.card.hide();
    this.drawing.ask(quick);
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.remember(), 200);
  }

  /** @param {Tool} tool */
  choose(tool) {
    const { camera } = this;
    /** @type {Point} */
    const middle = [camera.width / 2, camera.height / 2];
    if (tool === "nearer") camera.zoomAt(...middle, 1.5);
    else if (tool === "farther") camera.zoomAt(...middle, 1 / 1.5);
    else if (tool === "all") camera.home();
    else if (tool === "prototypes") {
      this.prototypes = !this.prototypes;
      this.setLabels();
    } else this.tool = tool;
    this.press();
    this.look();
  }

  press() {
    this.tools.press(this.prototypes ? [this.tool, "prototypes"] : [this.tool]);
    this.root.dataset.tool = this.tool;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tool = toolOf(event.key);
    if (Object.hasOwn(PANS, event.key)) {
      this.camera.pan(...PANS[event.key]);
      this.look(true);
    } else if (tool) this.choose(tool);
    else if (event.key === "Escape") {
      if (this.gestures.drawn) this.gestures.stop();
      else this.end();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
