// What lies over the points, as ordinary elements: names of the clusters, the legend, the card of the point under the cursor.
const MOST_PICTURES = 3000; // that a card keeps for when the cursor comes back

function element(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text; // text is set as text, never as HTML
  return made;
}

/** Names at the centres of clusters; of those that would overlap, the larger cluster's is shown. */
class Labels {
  constructor(parent) {
    this.layer = element("div", "labels");
    this.layer.setAttribute("aria-hidden", "true"); // the legend and the cards say the same
    parent.append(this.layer);
    this.all = [];
  }

  set(labels, prototypes) {
    this.all = labels.map((label, i) => {
      const tag = element("div", "label");
      if (prototypes) {
        const picture = element("span", "prototype");
        picture.style.cssText = `background-image:url(${prototypes.sprite});background-position:-${i * prototypes.size}px 0;`
          + `width:${prototypes.size}px;height:${prototypes.size}px;border-color:${label.colour}`;
        tag.append(picture);
      }
      tag.append(element("span", "name", label.text));
      return { ...label, tag };
    });
    this.layer.replaceChildren(...this.all.map((label) => label.tag));
    for (const label of this.all) label.box = [label.tag.offsetWidth, label.tag.offsetHeight];
  }

  /** Puts the names where `place` says that they are, in the world's units. */
  place(camera, visible, place) {
    const taken = [];
    for (const label of this.all) { // the largest cluster comes first
      const [left, top] = camera.toScreen(...place(label));
      const [w, h] = label.box;
      const box = [left - w / 2, top - h / 2, left + w / 2, top + h / 2];
      const inside = box[2] > 0 && box[3] > 0 && box[0] < camera.width && box[1] < camera.height;
      const free = taken.every((t) => box[2] < t[0] || box[0] > t[2] || box[3] < t[1] || box[1] > t[3]);
      const shown = inside && free && visible(label.group);
      label.tag.style.visibility = shown ? "visible" : "hidden";
      if (!shown) continue;
      taken.push(box);
      label.tag.style.transform = `translate(${Math.round(box[0])}px,${Math.round(box[1])}px)`;
    }
  }
}

/** The meaning of the colours; a press dims all other groups, with Shift the group itself. */
class Legend {
  constructor(parent, changed) {
    this.box = element("div", "legend");
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", "What the colours mean");
    parent.append(this.box);
    this.changed = changed;
    this.forget();
  }

  forget() {
    [this.alone, this.dimmed] = [null, new Set()];
  }

  set(legend) {
    if (legend.meaning !== this.meaning) this.forget(); // other groups stand at these indices
    if (this.alone !== null && !legend.groups.some(({ index }) => index === this.alone)) this.forget(); // it is gone
    this.meaning = legend.meaning;
    if (legend.scale) {
      const bar = element("div", "scale");
      bar.style.background = `linear-gradient(90deg, ${legend.scale.colours.join(",")})`;
      this.box.replaceChildren(element("span", "", legend.scale.low), bar, element("span", "", legend.scale.high));
      this.buttons = [];
      return;
    }
    this.buttons = legend.groups.map(({ index, name, colour, n }) => {
      const button = element("button", "group");
      const dot = element("span", "dot");
      dot.style.background = colour;
      button.append(dot, element("span", "title", name));
      button.title = `${name}: ${n.toLocaleString()} images. Click: these alone; Shift and click: dim them.`;
      button.onclick = (event) => this.press(index, event.shiftKey);
      return { index, button };
    });
    this.box.replaceChildren(...this.buttons.map(({ button }) => button));
    this.refresh();
  }

  press(index, dim) {
    if (dim) {
      this.alone = null;
      if (!this.dimmed.delete(index)) this.dimmed.add(index);
    } else {
      this.dimmed.clear();
      this.alone = this.alone === index ? null : index;
    }
    this.refresh();
    this.changed();
  }

  shows(index) {
    return this.alone === null ? !this.dimmed.has(index) : this.alone === index;
  }

  refresh() {
    for (const { index, button } of this.buttons) button.setAttribute("aria-pressed", this.shows(index));
  }
}

/** A ring around one point. */
class Mark {
  constructor(parent) {
    this.ring = element("div", "mark");
    this.ring.setAttribute("aria-hidden", "true");
    parent.append(this.ring);
    this.place(null);
  }

  /** Puts it at a place of the screen, or takes it away. */
  place(at) {
    this.ring.hidden = !at;
    if (at) this.ring.style.transform = `translate(${at[0]}px,${at[1]}px)`;
  }
}

/** The card of the point under the cursor. Pictures are asked for in groups, with those of the points around. */
class Card {
  constructor(parent, ask) {
    this.box = element("div", "card");
    this.picture = element("span", "picture");
    this.title = element("b", "");
    this.box.append(this.picture, this.title);
    this.box.hidden = true;
    parent.append(this.box);
    [this.ask, this.sprites, this.index, this.timer] = [ask, new Map(), null, 0];
  }

  forget() {
    this.sprites.clear();
    this.hide();
  }

  /** Takes pictures: a sprite of one line in the order of the indices. */
  take({ sprite, size, indices, titles }) {
    if (this.sprites.size > MOST_PICTURES) this.sprites.clear();
    indices.forEach((index, i) => this.sprites.set(index, { sprite, size, at: i, title: titles[i] }));
    if (this.index !== null) this.fill();
  }

  show(index, left, top, width) {
    if (index !== this.index) {
      this.index = index;
      this.fill();
      clearTimeout(this.timer);
      if (!this.sprites.has(index)) this.timer = setTimeout(() => this.ask(index), 60);
    }
    this.box.hidden = false;
    const right = left + 18 + this.box.offsetWidth > width;
    this.box.style.transform = `translate(${right ? left - 18 - this.box.offsetWidth : left + 18}px, ${Math.max(top - 40, 4)}px)`;
  }

  fill() {
    const known = this.sprites.get(this.index);
    this.box.classList.toggle("waiting", !known);
    this.title.textContent = known?.title ?? "";
    if (!known) return;
    this.picture.style.cssText = `background-image:url(${known.sprite});background-position:-${known.at * known.size}px 0;`
      + `width:${known.size}px;height:${known.size}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.index = null;
    this.box.hidden = true;
  }
}

/** The row of tools, and what is being drawn with one. */
class Tools {
  constructor(parent, names, chosen) {
    this.bar = element("div", "tools");
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "Tools of the map");
    this.buttons = Object.entries(names).map(([name, { sign, help }]) => {
      const button = element("button", "tool", sign);
      button.title = help;
      button.setAttribute("aria-label", help);
      button.onclick = () => chosen(name);
      return [name, button];
    });
    this.bar.append(...this.buttons.map(([, button]) => button));
    parent.append(this.bar);
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("class", "drawing");
    drawing.setAttribute("aria-hidden", "true");
    drawing.append(this.line);
    parent.append(drawing);
  }

  press(pressed) {
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", pressed.includes(name));
  }

  outline(corners) {
    this.line.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  }
}
