// @ts-check
// A board of images to say something about: a page of thumbnails, or one image at a time. What is said shows at once.
import { made } from "../elements.js";
import { Bar } from "./bar.js";
import { Grid } from "./grid.js";
import { Help } from "./help.js";
import { Keyboard } from "./keyboard.js";
import { Mouse } from "./mouse.js";
import { Picks } from "./picks.js";
import { Single } from "./single.js";
import { inWords, known } from "./tile.js";
import { Words } from "./words.js";
/** @import { BoardData, BoardState, BoardTriggers, Statement, Tile } from "../contract.js" */
/** @import { Component } from "../types.js" */
/** @import { Act } from "./keys.js" */
/** @import { Ledger } from "./ledger.js" */
/** @import { Known } from "./tile.js" */

/** @typedef {Component<BoardData, BoardState, BoardTriggers>} BoardComponent */

const LOOK_MS = 140;

/** @type {Board | null} the board that receives the keys: while a page is redrawn, the old board may still be there */
let active = null;

export class Board {
  /**
   * @param {HTMLElement} root
   * @param {Ledger} ledger of this page load, whatever is drawn
   * @param {BoardComponent} component
   */
  constructor(root, ledger, component) {
    this.root = root;
    this.ledger = ledger;
    this.component = component;
    this.data = component.data;
    this.token = ""; // of the images that are drawn
    this.blind = false; // whether the server is undoing a step that this page does not know
    this.picks = new Picks();
    /** @type {Known[]} of each tile */
    this.known = [];
    /** @type {string | undefined} the image that the server knows to be looked at */
    this.looked = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.stage = made("div", "stage");
    this.status = made("div", "status");
    this.status.setAttribute("role", "status");
    this.help = new Help();
    this.bar = new Bar(this);
    this.words = new Words(this);
    /** @type {Grid | Single | null} */
    this.view = null;
    root.replaceChildren(this.bar.line, this.stage, this.words.part, this.status, this.help.list);
    this.mouse = new Mouse(this);
    this.keyboard = new Keyboard(this);
    const { signal } = this.keyboard.listening;
    document.addEventListener("dgm-sprite", () => this.showSprite(), { signal });
  }

  dispose() {
    this.keyboard.stop();
    if (active === this) active = null;
    if (window.dgmMark?.board === this) this.mark(null);
  }

  get single() {
    return this.data.mode === "single";
  }

  get grid() {
    return this.view instanceof Grid ? this.view : null;
  }

  get isActive() {
    return active === this && this.root.isConnected;
  }

  get situation() {
    return {
      single: this.single,
      classes: this.data.classes,
      helped: this.help.shown,
      picked: this.picks.picked.size > 0,
      there: this.data.tiles[this.picks.cursor] !== undefined,
    };
  }

  // --- what comes from Python ---

  /** @param {BoardComponent} component */
  take(component) {
    const { data } = component;
    const [before, wasBlind] = [this.data, this.blind];
    active = this;
    this.component = component;
    this.data = data;
    this.ledger.turnTo(data.project, data.audit);
    this.ledger.confirm(data.heard);
    this.blind = this.blind && this.ledger.pending.length > 0;
    if (data.token !== this.token) {
      if (this.token && before.choice === data.choice) this.keep(before.tiles);
      else this.picks.begin(this.next(-1));
      this.token = data.token;
      this.build();
      this.showSprite();
    } else if (before.page !== data.page || before.pages !== data.pages) this.bar.build();
    else if (wasBlind && !this.blind && this.single) this.picks.cursor = this.next(-1); // something older was undone
    this.words.setClasses(data.classes);
    this.refresh();
  }

  /** @param {Tile[]} before */
  keep(before) {
    this.picks.keep(before, this.data.tiles, (at) => {
      const passes = at < 0 || (this.single && !this.picks.browsing && !this.waits(at));
      return passes ? this.next(at) : at;
    });
  }

  // --- drawing ---

  build() {
    this.root.dataset.mode = this.data.mode;
    this.root.dataset.token = this.token;
    this.root.toggleAttribute("data-stays", this.data.stays);
    this.bar.build();
    this.words.build();
    this.help.build(this.data);
    this.view = this.single ? new Single(this) : new Grid(this);
  }

  showSprite() {
    const there = window.dgmSprites?.get(this.data.slot);
    this.stage.style.setProperty("--sprite", there?.name === this.token ? `url(${there.address})` : "none");
  }

  refresh() {
    const said = this.ledger.unheard();
    this.known = this.data.tiles.map((tile) => known(tile, said.get(tile.item), this.data.classes));
    this.view?.refresh();
    this.mark(this.data.tiles[this.picks.cursor]?.point ?? null);
    this.look();
  }

  show() {
    this.refresh();
    this.grid?.follow();
  }

  /**
   * Shows on the map, if there is one, where the image under the cursor lies.
   *
   * @param {number | null} point
   */
  mark(point) {
    window.dgmMark = { board: this, order: this.data.order, point };
    document.dispatchEvent(new CustomEvent("dgm-mark"));
  }

  // --- what goes to Python ---

  /** Tells the server which image is looked at, once the cursor rests; what it knows of it stands beside. */
  look() {
    const item = this.data.tiles[this.picks.cursor]?.item ?? "";
    if (!this.data.watched || item === this.looked) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.looked = item;
      this.component.setStateValue("looked", item);
    }, LOOK_MS);
  }

  /** @param {number} index */
  open(index) {
    if (this.data.opens) this.component.setTriggerValue("opened", this.data.tiles[index].item);
  }

  /** @param {number} page */
  turn(page) {
    if (page >= 0 && page < this.data.pages) this.component.setTriggerValue("turned", page);
  }

  // --- saying something ---

  /**
   * The first image after `index` that nobody has judged, else the first of all; the last if none is left.
   *
   * @param {number} index
   */
  next(index) {
    const n = this.data.tiles.length;
    const said = this.ledger.unheard();
    for (let step = 1; step <= n; step += 1) {
      const i = (index + step) % n;
      if (this.waits(i, said)) return i;
    }
    return Math.min(Math.max(index, 0), Math.max(n - 1, 0));
  }

  /**
   * Whether nobody has judged an image.
   *
   * @param {number} index
   */
  waits(index, said = this.ledger.unheard()) {
    const tile = this.data.tiles[index];
    return !known(tile, said.get(tile.item), this.data.classes).judged;
  }

  get targets() {
    return this.picks.targets(this.data.tiles.length);
  }

  /**
   * Says one thing of images.
   *
   * @param {Statement["kind"]} kind
   * @param {string | ((tile: Tile) => string)} name the class, or the class of each tile
   * @param {number[]} indices
   */
  say(kind, name = "", indices = this.targets) {
    if (!indices.length) return;
    const tiles = indices.map((i) => this.data.tiles[i]);
    const names = tiles.map((tile) => (typeof name === "function" ? name(tile) : name));
    const items = tiles.map(({ item }) => item);
    this.ledger.say(kind, items, names);
    const n = indices.length > 1 ? `${indices.length} images: ` : "";
    this.status.textContent = n + inWords(kind, [...new Set(names)].join(", "));
    this.picks.picked.clear();
    this.picks.browsing = false;
    if (kind !== "clear") this.picks.cursor = this.next(indices[indices.length - 1]);
    this.show();
  }

  /** @param {Act} act */
  act(act) {
    if (act === "accept") this.about("label");
    else if (act === "not") this.about("reject");
    else if (act === "undo") this.undo();
    else this.say(act);
  }

  /**
   * Accepts, or denies, the class that is proposed for each image.
   *
   * @param {"label" | "reject"} kind
   */
  about(kind) {
    const proposed = this.targets.filter((i) => this.data.tiles[i].predicted);
    this.say(kind, (tile) => tile.predicted, proposed);
  }

  undo() {
    const last = this.ledger.last();
    this.ledger.say("undo", []);
    this.blind = !last; // what the server will take back is not known here
    const at = last ? this.data.tiles.findIndex((tile) => tile.item === last.items[0]) : -1;
    if (at >= 0) this.picks.cursor = at;
    this.status.textContent = "undone";
    this.show();
  }

  // --- picking and moving ---

  /** @param {Iterable<number>} indices */
  pick(indices) {
    this.picks.picked = new Set(indices);
    this.refresh();
  }

  pickAll() {
    this.pick(this.data.tiles.keys());
  }

  /** @param {number} index */
  toggle(index) {
    this.picks.toggle(index);
    this.show();
  }

  /** @param {number} index @param {boolean} extend */
  go(index, extend) {
    this.picks.go(index, this.data.tiles.length, extend);
    this.show();
  }

  /** @param {number} right @param {number} down @param {boolean} extend */
  step(right, down, extend) {
    const line = down && this.grid ? this.grid.columns : 1;
    this.go(this.picks.cursor + right + down * line, extend);
  }
}
