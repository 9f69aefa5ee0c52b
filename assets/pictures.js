// @ts-check
// Fetches the pictures that the map asks for with the event dgm-pictures-wanted (Wanted in contract.js), and hands them over
// with dgm-pictures (Pictures). It draws nothing: a part of the page of its own, so that a picture costs no drawing of the page.
/** @import { Pictures, PicturesState, Wanted } from "./contract.js" */
/** @import { Component } from "./types.js" */

/** @type {((event: CustomEvent<Wanted>) => void) | null} of the page's one map */
let wish = null;

/** @param {Component<Pictures, PicturesState>} component */
export default function ({ data, setStateValue }) {
  if (data?.indices?.length) document.dispatchEvent(new CustomEvent("dgm-pictures", { detail: data }));
  /** @param {CustomEvent<Wanted>} event */
  const ask = ({ detail }) => setStateValue("wanted", detail);
  if (wish) document.removeEventListener("dgm-pictures-wanted", wish);
  wish = ask;
  document.addEventListener("dgm-pictures-wanted", ask);
}
