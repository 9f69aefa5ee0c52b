// @ts-check
import { made } from "../elements.js";
/** @import { Label, Prototypes } from "../contract.js" */
/** @import { Camera, Point } from "./camera.js" */

/** Names at the centres of clusters; of those that would overlap, the larger cluster's is shown. */
export class Labels {
  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.layer = made("div", "labels");
    this.layer.setAttribute("aria-hidden", "true"); // the legend and the cards say the same
    parent.append(this.layer);
    /** @type {(Label & { tag: HTMLElement, box: [number, number] })[]} with their elements and the sizes of these */
    this.all = [];
  }

  /**
   * @param {Label[]} labels
   * @param {Prototypes | null} prototypes
   */
  set(labels, prototypes) {
    const tags = labels.map((label, i) => {
      const tag = made("div", "label");
      if (prototypes) {
        const picture = made("span", "prototype");
        picture.style.cssText =
          `background-image:url(${prototypes.sprite});background-position:-${i * prototypes.size}px 0;` +
          `width:${prototypes.size}px;height:${prototypes.size}px;border-color:${label.colour}`;
        tag.append(picture);
      }
      tag.append(made("span", "name", label.text));
      return tag;
    });
    this.layer.replaceChildren(...tags);
    this.all = labels.map((label, i) => ({ ...label, tag: tags[i], box: [tags[i].offsetWidth, tags[i].offsetHeight] }));
  }

  /**
   * Puts the names where `place` says that they are, in the world's units.
   *
   * @param {Camera} camera
   * @param {(group: number | null) => boolean} visible
   * @param {(label: Label) => Point} place
   */
  place(camera, visible, place) {
    /** @type {number[][]} left, top, right and bottom of the names that are shown */
    const taken = [];
    // The largest cluster comes first.
    for (const label of this.all) {
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
