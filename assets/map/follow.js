// @ts-check
// Tells the map what the model at work makes of a sample of the images (Live in contract.js). It draws nothing; a part of the
// page of its own looks every few seconds.
/** @import { Live } from "../contract.js" */
/** @import { Component } from "../types.js" */

/** @param {Component<Live>} component */
export default function ({ data }) {
  document.dispatchEvent(new CustomEvent("dgm-live", { detail: data }));
}
