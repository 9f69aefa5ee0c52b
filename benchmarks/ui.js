// What benchmarks/ui.py asks of the page. Times are of the page's own clock, from the event that the browser was given.
window.bench = {
  heard: {}, // kind of event to the time of the first one since `watch`
  path: [], // where the pointer was on the map while it was pressed

  /** An element inside one of our components. */
  part(selector) {
    for (const host of document.querySelectorAll('[data-testid="stBidiComponentIsolated"]')) {
      const found = host.shadowRoot?.querySelector(selector);
      if (found) return found;
    }
    return null;
  },

  /** `result` will be the milliseconds from the next event of a kind to the second frame after a test holds. */
  watch(kind, test, values) {
    delete this.heard[kind];
    const frame = () => new Promise(requestAnimationFrame);
    const wait = async () => {
      while (!(kind in this.heard && (await this[test](...values)))) await frame();
      await frame();
      await frame();
      return performance.now() - this.heard[kind];
    };
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error(`${test} did not come`)), 120_000));
    this.result = Promise.race([wait(), late]);
  },

  /** The map has another look than before, and its points are on the canvas, not only on their way there. */
  painted(before) {
    const map = this.part(".map");
    if (!map?.dataset.painted || map.dataset.painted === before) return false;
    const gl = map.querySelector("canvas").getContext("webgl2");
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for all that was asked of it
    return true;
  },

  /** Another grid than before, of n pictures. */
  grid(before, n) {
    const board = this.part(".labelling");
    if (board?.dataset.mode !== "grid" || board.dataset.token === before) return false;
    return board.querySelectorAll(".tile").length === n && this.decoded(board);
  },

  /** Another image than before, on its own. */
  single(before) {
    const board = this.part(".labelling");
    return board?.dataset.item && board.dataset.item !== before && this.decoded(board);
  },

  async decoded(board) {
    const address = board.querySelector(".stage").style.getPropertyValue("--sprite").match(/url\("?([^")]+)/)?.[1];
    if (!address) return false;
    const image = new Image();
    image.src = address;
    await image.decode();
    return true;
  },

  /** Notes the places of the pointer on the map that the map is told of. */
  follow() {
    const canvas = this.part(".map canvas");
    this.path = [];
    canvas.onpointerdown = canvas.onpointermove = (event) => {
      if (event.buttons) this.path.push([event.offsetX, event.offsetY]);
    };
  },

  /** Which part of the unit square the map shows, and where it lies, once it has drawn all that was asked of it. */
  async camera() {
    let before;
    while (before !== this.part(".map").dataset.camera) {
      before = this.part(".map").dataset.camera;
      for (let frame = 0; frame < 20; frame += 1) await new Promise(requestAnimationFrame);
    }
    const { left, top } = this.part(".map canvas").getBoundingClientRect();
    const { clientWidth: width, clientHeight: height } = this.part(".map .field");
    return { ...JSON.parse(this.part(".map").dataset.camera), left, top, width, height };
  },

  /** Counts frames from now on; the function that it leaves in `frames` ends it and says what they were. */
  record() {
    const found = { worst: 0, cameras: new Set() };
    let [last, over] = [performance.now(), false];
    const look = (now) => {
      found.worst = Math.max(found.worst, now - last);
      found.cameras.add(this.part(".map").dataset.camera);
      last = now;
      if (!over) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    this.frames = () => {
      over = true;
      return { worst: found.worst, cameras: found.cameras.size };
    };
  },
};

for (const kind of ["click", "keydown", "pointerup"]) {
  addEventListener(kind, (event) => { bench.heard[kind] ??= event.timeStamp; }, true);
}
