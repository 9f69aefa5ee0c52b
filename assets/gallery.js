// A grid of thumbnails cut from one sprite. A click picks a tile or lets it go, shift and click does so for all between.
// data: {token, sprite, columns, size, tiles: [{item, tip, colour, mark}], picked: [item]}
// state `picked`: {token, items}; the token says which tiles the picks belong to. Text is set as text, never as HTML.
const states = new WeakMap();

function refresh(state) {
  state.buttons.forEach((button, i) => button.setAttribute("aria-pressed", state.picked.has(state.tiles[i].item)));
  state.count.textContent = state.picked.size ? `${state.picked.size} picked` : "Click images to pick some of them";
}

function report(state) {
  refresh(state);
  clearTimeout(state.timer);
  state.timer = setTimeout(
    () => state.send("picked", { token: state.token, items: state.tiles.map((t) => t.item).filter((i) => state.picked.has(i)) }),
    300,
  );
}

function toggle(state, index, range) {
  const on = !state.picked.has(state.tiles[index].item);
  const from = range && state.last !== null ? state.last : index;
  for (let i = Math.min(from, index); i <= Math.max(from, index); i += 1) {
    state.picked[on ? "add" : "delete"](state.tiles[i].item);
  }
  state.last = index;
  report(state);
}

function build(state, root, data) {
  const bar = document.createElement("div");
  bar.className = "bar";
  state.count = document.createElement("span");
  bar.append(state.count);
  const everything = state.tiles.map((t) => t.item);
  const commands = {
    "Pick all": () => new Set(everything),
    "Pick none": () => new Set(),
    Invert: () => new Set(everything.filter((i) => !state.picked.has(i))),
  };
  for (const [label, picks] of Object.entries(commands)) {
    const button = document.createElement("button");
    button.textContent = label;
    button.onclick = () => { state.picked = picks(); report(state); };
    bar.append(button);
  }
  const grid = document.createElement("div");
  grid.className = "gallery";
  grid.style.setProperty("--tile", `${data.size}px`);
  state.buttons = data.tiles.map((tile, i) => {
    const button = document.createElement("button");
    button.className = "tile";
    button.title = tile.tip;
    button.setAttribute("aria-label", tile.tip);
    button.style.setProperty("--colour", tile.colour);
    button.style.backgroundImage = `url(${data.sprite})`;
    button.style.backgroundSize = `${data.columns * data.size}px auto`;
    button.style.backgroundPosition = `-${(i % data.columns) * data.size}px -${Math.floor(i / data.columns) * data.size}px`;
    if (tile.mark) {
      const mark = document.createElement("span");
      mark.className = "mark";
      mark.textContent = tile.mark;
      button.append(mark);
    }
    button.onclick = (event) => toggle(state, i, event.shiftKey);
    return button;
  });
  grid.append(...state.buttons);
  root.replaceChildren(bar, grid);
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector("#root");
  let state = states.get(root);
  if (!state || state.token !== data.token) {
    if (state) clearTimeout(state.timer);
    state = { token: data.token, picked: new Set(data.picked), last: null, timer: 0 };
    states.set(root, state);
  }
  state.send = setStateValue;
  const drawn = JSON.stringify([data.token, data.tiles, data.sprite.length]);
  if (state.drawn !== drawn) {
    state.drawn = drawn;
    state.tiles = data.tiles;
    build(state, root, data);
  }
  refresh(state);
}
