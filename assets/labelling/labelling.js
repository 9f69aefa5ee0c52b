// @ts-check
// The component of the board (BoardData in contract.js): it gives each place in the page its board.
import { found } from "../elements.js";
import { Board } from "./board.js";
import { Ledger } from "./ledger.js";
/** @import { BoardComponent } from "./board.js" */

const GONE_MS = 1000; // after which a board that is not in the page was not only moved
const ledger = new Ledger();
/** @type {WeakMap<HTMLElement, Board>} */
const boards = new WeakMap();

/** @param {BoardComponent} component */
export default function (component) {
  const { parentElement, setStateValue } = component;
  const root = found(parentElement, ".labelling");
  const board = boards.get(root) ?? new Board(root, ledger, component);
  boards.set(root, board);
  ledger.send = (said) => setStateValue("said", said);
  board.take(component);
  ledger.resume();
  return () => setTimeout(() => root.isConnected || board.dispose(), GONE_MS);
}
