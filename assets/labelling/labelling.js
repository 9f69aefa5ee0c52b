// Images to say something about: a page of thumbnails, or one image at a time. What is said shows at once (ledger.js).
// data: {token, choice, mode: "grid" | "single", project, audit, slot, columns, cell, step, page, pages, watched, opens, stays, order,
//   heard: {client, seq, refused}, classes: [{name, key, colour}],
//   tiles: [{item, tip, colour, guess, predicted, sure, note, mark, judged, point}]}; `mark` is what was said, "" for nothing.
//   Where a map is beside it, `order` and `point` are that map's, which marks the image under the cursor. The pictures are one sprite, `columns` to a line, `cell` pixels each and one at every `step`, that sprite.js has in the slot.
// state: said {client, statements}, looked (the item under the cursor); triggers: opened (an item), turned (a page, from 0).
const SIZES = { least: 36, most: 160, first: 64, step: 4 };
const LOOK_MS = 140;
const TINY = 16; // pictures of so few pixels are enlarged pixel by pixel
const SLIP = 6; // pixels of a drag before it draws a box
const ledger = new Ledger(); // of this page load, whatever is drawn
const boards = new WeakMap();
let active = null; // the board that the keys are for: while a page is drawn anew, one that goes may still stand there
const words = { none: "none", skip: "skipped" };

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text; // text is set as text, never as HTML
  return element;
}

function pressable(name, text, help, act) {
  const button = made("button", name, text);
  button.type = "button";
  button.title = help;
  button.onclick = act;
  return button;
}

class Board {
  constructor(root) {
    this.root = root;
    [this.cursor, this.anchor, this.picked, this.token] = [0, 0, new Set(), null];
    this.size = Number(localStorage.getItem("dgm-tile-size")) || SIZES.first;
    this.bar = made("div", "bar");
    this.stage = made("div", "stage");
    this.words = made("div", "words");
    this.status = made("div", "status");
    this.status.setAttribute("role", "status");
    this.help = made("dl", "help");
    this.help.hidden = true;
    root.replaceChildren(this.bar, this.stage, this.words, this.status, this.help);
    this.listenToDocument();
    this.listenToDrags();
  }

  dispose() {
    this.listening.abort();
    if (active === this) active = null;
    if (window.dgmMark?.board === this) this.mark(null);
  }

  listenToDocument() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    const onMap = (event) => event.composedPath().some((e) => e.classList?.contains("map"));
    const early = { capture: true, signal }; // before Streamlit, whose own keys are other ones
    document.addEventListener("keydown", (event) => onMap(event) || this.key(event), early);
    document.addEventListener("keydown", (event) => onMap(event) && this.key(event), { signal }); // it has no use for them
    document.addEventListener("pointerdown", () => (this.pointed = true), early);
    document.addEventListener("dgm-sprite", () => this.showSprite(), { signal });
    this.pointed = true; // whether the mouse, and not Tab, has led to where the focus is
  }

  // --- what comes from Python ---

  take(data) {
    const before = { tiles: this.tiles, choice: this.data?.choice, page: this.data?.page, pages: this.data?.pages };
    active = this;
    this.data = data;
    this.tiles = data.tiles;
    const wasUnknown = this.blind;
    ledger.turnTo(data.project, data.audit);
    ledger.confirm(data.heard);
    this.blind = this.blind && ledger.pending.length > 0;
    if (data.token !== this.token) {
      this.token = data.token;
      if (before.choice === data.choice) this.keep(before.tiles);
      else this.begin();
      this.build();
      this.showSprite();
    } else if (before.page !== data.page || before.pages !== data.pages) this.buildBar();
    else if (wasUnknown && !this.blind && this.single) this.cursor = this.next(-1); // something older was undone
    this.setChips(data.classes);
    this.refresh();
  }

  /** Goes to the first image that waits, with none picked. */
  begin() {
    this.picked.clear();
    [this.cursor, this.browsing] = [this.next(-1), false];
    this.anchor = this.cursor;
  }

  /** Stays with the images that one was at, wherever they are now; what is gone is followed by what came after it. */
  keep(before) {
    const place = new Map(this.tiles.map(({ item }, i) => [item, i]));
    const after = (index) => before.slice(index).map(({ item }) => place.get(item)).find((i) => i !== undefined);
    const picked = [...this.picked].map((i) => place.get(before[i].item));
    this.picked = new Set(picked.filter((i) => i !== undefined));
    const cursor = after(this.cursor);
    if (cursor === undefined) [this.cursor, this.browsing] = [this.next(-1), false];
    else this.cursor = this.single && !this.browsing && !this.waits(cursor) ? this.next(cursor) : cursor;
    this.anchor = place.get(before[this.anchor]?.item) ?? this.cursor;
  }

  get single() {
    return this.data.mode === "single";
  }

  // --- drawing ---

  build() {
    this.root.dataset.mode = this.data.mode;
    this.root.dataset.token = this.token;
    this.root.toggleAttribute("data-stays", this.data.stays);
    this.buildBar();
    this.buildWords();
    this.buildHelp();
    if (this.single) this.buildSingle();
    else this.buildGrid();
  }

  buildBar() {
    this.count = made("span", "count");
    const tools = [pressable("link", "Keys", "The list of keys (?)", () => this.showKeys())];
    if (!this.single) {
      tools.unshift(
        pressable("link", this.data.pages > 1 ? "All of this page" : "All", "Pick all that are in view (Ctrl + A)", () => this.pick(this.tiles.keys())),
        pressable("link", "None", "Pick none (Escape)", () => this.pick([])),
      );
      const slider = made("input", "size");
      Object.assign(slider, { type: "range", min: SIZES.least, max: SIZES.most, step: SIZES.step, value: this.size });
      slider.setAttribute("aria-label", "Size of the images");
      slider.oninput = () => this.resize(Number(slider.value));
      tools.push(slider);
    }
    if (this.data.pages > 1) tools.push(this.pager());
    this.bar.replaceChildren(this.count, ...tools);
  }

  pager() {
    const { page, pages } = this.data;
    const pager = made("span", "pager");
    const to = (other) => () => this.turn(other);
    const before = pressable("turn", "‹", "The page before (Page Up)", to(page - 1));
    const after = pressable("turn", "›", "The next page (Page Down)", to(page + 1));
    [before.disabled, after.disabled] = [page === 0, page === pages - 1];
    pager.append(before, made("span", "", `${page + 1} of ${pages}`), after);
    return pager;
  }

  turn(page) {
    if (page >= 0 && page < this.data.pages) this.trigger("turned", page);
  }

  /** The buttons of the classes, of which there may be more at any time; the field beside them is left as it is. */
  setChips(classes) {
    const meaning = JSON.stringify(classes);
    if (meaning === this.meaning) return;
    this.meaning = meaning;
    const focused = this.root.getRootNode().activeElement?.dataset.class;
    for (const chip of this.chips) chip.remove();
    this.chips = classes.map(({ name, key, colour }) => {
      const chip = pressable("chip", "", `${name}: Shift and click for “not ${name}”`, (event) => {
        this.say(event.shiftKey ? "reject" : "label", name);
      });
      chip.style.setProperty("--colour", colour);
      chip.dataset.class = name;
      if (key) chip.append(made("kbd", "", key));
      chip.append(made("span", "", name));
      return chip;
    });
    this.named.append(...this.chips);
    if (focused !== undefined) this.chips.find((chip) => chip.dataset.class === focused)?.focus();
  }

  /** What says something: a button for each class, a field for a new one, and the other buttons; with their keys. */
  buildWords() {
    const field = made("input", "new");
    Object.assign(field, { placeholder: "New class", maxLength: 80, autocomplete: "off" });
    field.setAttribute("aria-label", "Name of a new class");
    field.onkeydown = (event) => {
      if (event.key === "Escape") field.blur();
      if (event.key !== "Enter" || event.isComposing || !field.value.trim()) return;
      this.say("label", field.value.trim());
      field.value = "";
      field.blur(); // the next key says something again
    };
    this.actions = Object.fromEntries([
      ["accept", "A", "Accept"], ["not", "X", "Not this"], ["none", "N", "None of these"], ["skip", "␣", "Skip"], ["undo", "⌫", "Undo"],
    ].map(([act, key, text]) => {
      const button = pressable("chip act", "", text, () => this.act(act));
      button.append(made("kbd", "", key), made("span", "", text));
      return [act, button];
    }));
    this.named = made("div", "chips named");
    [this.chips, this.meaning] = [[], null];
    const others = made("div", "chips");
    others.append(field, ...Object.values(this.actions));
    this.words.replaceChildren(this.named, others);
  }

  buildHelp() {
    const useful = KEYS.filter(([, , where]) => where?.(this.data) ?? true);
    this.help.replaceChildren(...useful.flatMap(([key, meaning]) => [made("dt", "", key), made("dd", "", meaning)]));
  }

  buildGrid() {
    const grid = made("div", "grid");
    grid.setAttribute("role", "listbox");
    grid.setAttribute("aria-multiselectable", "true");
    grid.setAttribute("aria-label", "Images");
    this.buttons = this.tiles.map((tile, i) => {
      const button = made("div", "tile");
      button.setAttribute("role", "option");
      button.dataset.item = tile.item;
      const mark = made("span", "mark");
      button.append(this.picture(i), mark);
      button.ondblclick = () => this.open(i);
      return button;
    });
    grid.append(...this.buttons);
    this.stage.replaceChildren(grid);
    this.box = made("div", "box");
    this.box.hidden = true;
    grid.append(this.box);
    this.resize(this.size);
  }

  buildSingle() {
    const large = made("div", "large");
    this.large = made("div", "frame");
    this.large.setAttribute("role", "img");
    this.guess = made("p", "guess");
    this.note = made("p", "note");
    large.append(this.large, this.guess, this.note);
    this.stage.replaceChildren(large);
  }

  /** The picture of a tile, cut from the sprite in shares of its size, so that it fits any square. */
  picture(index) {
    const { columns, cell, step } = this.data;
    const lines = Math.ceil(this.tiles.length / columns);
    const share = (at, n) => (100 * at * step) / (n * step - cell || 1);
    const picture = made("span", "picture");
    picture.classList.toggle("tiny", cell <= TINY);
    picture.style.backgroundSize = `${(100 * columns * step) / cell}% ${(100 * lines * step) / cell}%`;
    picture.style.backgroundPosition = `${share(index % columns, columns)}% ${share(Math.floor(index / columns), lines)}%`;
    return picture;
  }

  showSprite() {
    const there = window.dgmSprites?.get(this.data.slot);
    this.stage.style.setProperty("--sprite", there?.name === this.token ? `url(${there.address})` : "none");
  }

  /** What is known of a tile now: what was just said of it, or what the server knows. */
  known(tile, said) {
    const statement = said.get(tile.item);
    if (statement === undefined) return { mark: tile.mark, judged: tile.judged, colour: tile.colour };
    if (statement === null || statement.kind === "clear") return { mark: "", judged: false, colour: tile.colour };
    const { kind, name } = statement;
    const colour = kind === "label" ? this.data.classes.find((c) => c.name === name)?.colour : undefined;
    return { mark: kind === "label" ? name : kind === "reject" ? `not ${name}` : words[kind], judged: true, colour: colour ?? tile.colour };
  }

  refresh() {
    const said = ledger.unheard();
    this.state = this.tiles.map((tile) => this.known(tile, said));
    if (this.single) this.refreshSingle();
    else this.refreshGrid();
    this.mark(this.tiles[this.cursor]?.point ?? null);
    this.look();
  }

  /** Shows on the map, if there is one, where the image under the cursor lies. */
  mark(point) {
    window.dgmMark = { board: this, order: this.data.order, point };
    document.dispatchEvent(new CustomEvent("dgm-mark"));
  }

  refreshGrid() {
    this.buttons.forEach((button, i) => {
      const { mark, colour } = this.state[i];
      button.setAttribute("aria-selected", this.picked.has(i));
      button.setAttribute("aria-label", `${this.tiles[i].tip}${mark ? `, ${mark}` : ""}`);
      button.title = this.tiles[i].tip;
      button.tabIndex = i === this.cursor ? 0 : -1;
      button.classList.toggle("here", i === this.cursor);
      button.style.setProperty("--colour", colour);
      button.lastChild.textContent = mark;
    });
    this.count.textContent = this.picked.size ? this.described() : "None picked";
  }

  /** How many images are picked, and what a class given to them would change. */
  described() {
    const chosen = [...this.picked];
    const judged = chosen.filter((i) => this.state[i].judged).length;
    const sure = chosen.map((i) => this.tiles[i].sure).sort((a, b) => a - b);
    const middle = sure[Math.floor(sure.length / 2)];
    const words = [`${chosen.length} picked`, ...(judged ? [`${judged} judged before`] : [])];
    if (middle !== null) words.push(`the model ${Math.round(100 * middle)}% sure`);
    return words.join(", ");
  }

  refreshSingle() {
    const tile = this.tiles[this.cursor];
    const left = this.state.filter(({ judged }) => !judged).length;
    this.count.textContent = this.data.stays ? "" : `${left} to go`;
    if (!tile || (!left && !this.browsing && !this.data.stays)) {
      this.large.replaceChildren(made("span", "done", "All done. The next images follow."));
      [this.guess.textContent, this.note.textContent] = ["", ""];
      delete this.root.dataset.item;
      return;
    }
    if (this.root.dataset.item !== tile.item || !this.large.querySelector(".picture")) {
      this.large.replaceChildren(this.picture(this.cursor));
      this.root.dataset.item = tile.item;
    }
    this.large.setAttribute("aria-label", tile.tip);
    const { mark, judged } = this.state[this.cursor];
    this.guess.textContent = mark && judged ? `You said: ${mark}` : tile.guess;
    this.note.textContent = tile.note;
    for (const chip of this.chips) chip.classList.toggle("likely", chip.dataset.class === (judged ? mark : tile.predicted));
    for (const [act, word] of [["accept", "Accept"], ["not", "Not"]]) {
      this.actions[act].disabled = !tile.predicted;
      this.actions[act].lastChild.textContent = `${word} ${tile.predicted || "this"}`;
    }
  }

  resize(size) {
    this.size = size;
    localStorage.setItem("dgm-tile-size", size);
    this.stage.style.setProperty("--tile", `${size}px`);
  }

  showKeys() {
    this.help.hidden = !this.help.hidden;
  }

  /** Tells the server which image is looked at, once the cursor rests; what it knows of it stands beside. */
  look() {
    const item = this.tiles[this.cursor]?.item ?? "";
    if (!this.data.watched || item === this.looked) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.looked = item;
      this.send("looked", item);
    }, LOOK_MS);
  }

  open(index) {
    if (this.data.opens) this.trigger("opened", this.tiles[index].item);
  }

  // --- saying something ---

  /** The first image after `index` that nobody has judged, else the first of all; the last where none is left. */
  next(index) {
    const said = ledger.unheard();
    for (let step = 1; step <= this.tiles.length; step += 1) {
      const i = (index + step) % this.tiles.length;
      if (this.waits(i, said)) return i;
    }
    return Math.min(Math.max(index, 0), Math.max(this.tiles.length - 1, 0));
  }

  /** Whether nobody has judged an image. */
  waits(index, said = ledger.unheard()) {
    return !this.known(this.tiles[index], said).judged;
  }

  targets() {
    return this.picked.size ? [...this.picked].sort((a, b) => a - b) : this.tiles[this.cursor] ? [this.cursor] : [];
  }

  /** Says one thing of images: name is the class, or a function that gives the class of each tile. */
  say(kind, name = "", indices = this.targets()) {
    if (!indices.length) return;
    const tiles = indices.map((i) => this.tiles[i]);
    const names = tiles.map((tile) => (typeof name === "function" ? name(tile) : name));
    ledger.say(kind, tiles.map((tile) => tile.item), names);
    const n = indices.length > 1 ? `${indices.length} images: ` : "";
    const said = [...new Set(names)].join(", ");
    this.status.textContent = n + ({ label: said, reject: `not ${said}`, clear: "cleared" }[kind] ?? words[kind]);
    this.picked.clear();
    this.browsing = false;
    if (kind !== "clear") this.cursor = this.next(indices.at(-1));
    this.show();
  }

  /** Accepts, or denies, the class that is proposed for each image. */
  about(kind) {
    this.say(kind, (tile) => tile.predicted, this.targets().filter((i) => this.tiles[i].predicted));
  }

  act(name) {
    if (name === "accept") this.about("label");
    else if (name === "not") this.about("reject");
    else if (name === "undo") this.undo();
    else this.say(name);
  }

  undo() {
    const last = ledger.last();
    ledger.say("undo", []);
    this.blind = !last; // what the server will take back is not known here
    const at = last ? this.tiles.findIndex((tile) => tile.item === last.items[0]) : -1;
    if (at >= 0) this.cursor = at;
    this.status.textContent = "undone";
    this.show();
  }

  // --- picking and moving ---

  pick(indices) {
    this.picked = new Set(indices);
    this.refresh();
  }

  go(index, extend) {
    const to = Math.min(Math.max(index, 0), this.tiles.length - 1);
    if (extend) {
      const from = this.anchor;
      for (let i = Math.min(from, to); i <= Math.max(from, to); i += 1) this.picked.add(i);
    } else this.anchor = to;
    this.cursor = to;
    this.browsing = true;
    this.show();
  }

  toggle(index) {
    if (!this.picked.delete(index)) this.picked.add(index);
    [this.cursor, this.anchor] = [index, index];
    this.show();
  }

  show() {
    this.refresh();
    const button = this.buttons?.[this.cursor];
    if (this.single || !button) return;
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "nearest" });
  }

  get columns() {
    const top = this.buttons[0].offsetTop;
    const n = this.buttons.findIndex((button) => button.offsetTop > top);
    return n < 0 ? this.buttons.length : n;
  }

  listenToDrags() {
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("pointercancel", () => this.endDrag());
  }

  down(event) {
    if (this.single || event.button || event.pointerType === "touch") return; // a finger scrolls; its tap is a click
    this.start = { x: event.clientX, y: event.clientY, before: event.shiftKey ? new Set(this.picked) : new Set() };
  }

  drag({ clientX, clientY, pointerId }) {
    if (!this.start) return;
    const { x, y, before } = this.start;
    if (this.box.hidden && Math.hypot(clientX - x, clientY - y) < SLIP) return;
    if (this.box.hidden) this.stage.setPointerCapture(pointerId);
    this.box.hidden = false;
    const [left, top, right, bottom] = [Math.min(x, clientX), Math.min(y, clientY), Math.max(x, clientX), Math.max(y, clientY)];
    const origin = this.box.parentElement.getBoundingClientRect();
    this.box.style.cssText = `left:${left - origin.left}px;top:${top - origin.top}px;width:${right - left}px;height:${bottom - top}px`;
    this.picked = new Set(before);
    this.buttons.forEach((button, i) => {
      const r = button.getBoundingClientRect();
      if (r.left < right && r.right > left && r.top < bottom && r.bottom > top) this.picked.add(i);
    });
    this.refreshGrid();
  }

  up(event) {
    if (this.single || event.button) return;
    const dragged = this.start && !this.box.hidden;
    this.endDrag();
    if (dragged) return;
    const index = this.buttons.indexOf(event.composedPath().find((e) => e.classList?.contains("tile")));
    if (index < 0) return;
    if (event.shiftKey) this.go(index, true);
    else this.toggle(index);
  }

  endDrag() {
    this.start = null;
    if (this.box) this.box.hidden = true;
  }

  key(event) {
    if (event.key === "Tab") this.pointed = false;
    if (isTyping(event, this.pointed) || event.metaKey || event.altKey || active !== this || !this.root.isConnected) return;
    if (event.repeat && !/^(Arrow|Page)/.test(event.key)) return; // a key held down speaks of one image
    if (document.querySelector('[data-testid="stDialog"]')) return; // a window is open before the images
    const key = plainKey(event);
    if (!this.pointed && isForControl(event, key, this.root)) return;
    if (event.ctrlKey ? this.command(key) : this.command(key, event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  /** Does what a key means; false where it means nothing. Without an event it came with Ctrl. */
  command(key, event) {
    if (!event) return key === "a" && !this.single && (this.pick(this.tiles.keys()), true);
    const chosen = this.data.classes.find((c) => c.key?.toLowerCase() === key);
    if (chosen) return this.say(event.shiftKey ? "reject" : "label", chosen.name), true;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: this.single ? -1 : -this.columns, ArrowDown: this.single ? 1 : this.columns };
    if (key in steps) return this.go(this.cursor + steps[key], event.shiftKey && !this.single), true;
    const acts = { a: "accept", x: "not", n: "none", " ": "skip", Delete: "clear", Backspace: "undo" };
    if (key in acts) return this.act(acts[key]), true;
    if (event.key === "?") return this.showKeys(), true;
    if (key === "s" && !this.single) return this.toggle(this.cursor), true;
    if (key === "Escape" && !this.help.hidden) return this.showKeys(), true;
    if (key === "Escape" && this.picked.size) return this.pick([]), true;
    if (key === "PageUp" || key === "PageDown") return this.turn(this.data.page + (key === "PageUp" ? -1 : 1)), true;
    if (key === "Enter" && this.tiles[this.cursor]) return this.open(this.cursor), true;
    return false;
  }
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".labelling");
  const board = boards.get(root) ?? new Board(root);
  boards.set(root, board);
  [board.send, board.trigger, ledger.send] = [setStateValue, setTriggerValue, setStateValue];
  board.take(data);
  ledger.resume();
  return () => setTimeout(() => root.isConnected || board.dispose(), 1000); // it is only moved where it is still there
}
