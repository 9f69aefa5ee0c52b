// @ts-check
// Hands the positions of the points to the map. It draws nothing; it stands by itself so that positions travel once for
// each layout, and not with every colouring. Its data: a PlacesHeader, then (n) positions, two uint16 each.
import { parsed } from "./message.js";
/** @import { PlacesHeader } from "../contract.js" */
/** @import { Component } from "../types.js" */

/** @param {Component<Uint8Array>} component */
export default function ({ data }) {
  /** @type {{ header: PlacesHeader, buffer: ArrayBuffer, start: number }} */
  const { header, buffer, start } = parsed(data);
  if (window.dgmPlaces?.token === header.token) return;
  window.dgmPlaces = { token: header.token, xy: new Uint16Array(buffer, start, 2 * header.n) };
  document.dispatchEvent(new CustomEvent("dgm-places"));
}
