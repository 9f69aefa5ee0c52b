// @ts-check
import { made } from "../elements.js";

/**
 * A button of a board.
 *
 * @param {string} name its class
 * @param {string} text
 * @param {string} help
 * @param {(event: MouseEvent) => void} act
 */
export function pressable(name, text, help, act) {
  const button = made("button", name, text);
  button.type = "button";
  button.title = help;
  button.onclick = act;
  return button;
}
