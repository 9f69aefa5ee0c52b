// @ts-check
// Hands a sprite to the other components of the page. It draws nothing; it stands by itself so that the sprite travels
// once, and not with every label.
/** @import { Sprite } from "./contract.js" */
/** @import { Component } from "./types.js" */

/** @param {Component<Sprite>} component */
export default function ({ data: { slot, name, sprite } }) {
  const sprites = (window.dgmSprites ??= new Map());
  const before = sprites.get(slot);
  if (before?.name === name) return;
  const bytes = Uint8Array.from(atob(sprite), (character) => character.charCodeAt(0));
  sprites.set(slot, { name, address: URL.createObjectURL(new Blob([bytes], { type: "image/png" })) });
  document.dispatchEvent(new CustomEvent("dgm-sprite"));
  if (before) URL.revokeObjectURL(before.address);
}
