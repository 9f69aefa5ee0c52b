// @ts-check
import { made } from "../elements.js";
/** @import { Point } from "./camera.js" */

/** @typedef {"lasso" | "box" | "pan" | "nearer" | "farther" | "all" | "prototypes"} Tool */

/** @type {Record<Tool, { sign: string, help: string }>} */
const TOOLS = {
  lasso: { sign: "lasso_select", help: "Lasso (L): draw around points to select them; Shift adds, Alt takes away" },
  box: { sign: "select", help: "Box (B): drag a box around points; Shift adds, Alt takes away" },
  pan: { sign: "open_with", help: "Move (M): drag the map; the wheel zooms with every tool" },
  nearer: { sign: "add", help: "Zoom in (+)" },
  farther: { sign: "remove", help: "Zoom out (−)" },
  all: { sign: "fit_screen", help: "Show everything (Home)" },
  prototypes: { sign: "grid_view", help: "Prototypes (P): what the model imagines for each cluster" },
};

/** @type {Record<string, Tool>} */
const KEYS = {
  l: "lasso",
  b: "box",
  m: "pan",
  p: "prototypes",
  "+": "nearer",
  "=": "nearer",
  "-": "farther",
  Home: "all",
};

/**
 * The tool that a key chooses; undefined if it chooses none.
 *
 * @param {string} key
 */
export function toolOf(key) {
  return Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
}

/** The row of tools, and what is being drawn with one. */
export class Tools {
  /**
   * @param {HTMLElement} parent
   * @param {(tool: Tool) => void} chosen
   */
  constructor(parent, chosen) {
    this.bar = made("div", "tools");
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "Tools of the map");
    const tools = /** @type {Tool[]} */ (Object.keys(TOOLS));
    this.buttons = tools.map((name) => {
      const { sign, help } = TOOLS[name];
      const button = made("button", "tool", sign);
      button.title = help;
      button.setAttribute("aria-label", help);
      button.onclick = () => chosen(name);
      return { name, button };
    });
    this.bar.append(...this.buttons.map(({ button }) => button));
    parent.append(this.bar);
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    drawing.setAttribute("class", "drawing");
    drawing.setAttribute("aria-hidden", "true");
    drawing.append(this.line);
    parent.append(drawing);
  }

  /** @param {Tool[]} pressed */
  press(pressed) {
    for (const { name, button } of this.buttons) button.setAttribute("aria-pressed", String(pressed.includes(name)));
  }

  /** @param {Point[]} corners of what is being drawn */
  outline(corners) {
    this.line.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  }
}
