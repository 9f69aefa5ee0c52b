// @ts-check
// Elements, made and found.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [name] its class
 * @param {string} [text] set as text, never as HTML
 */
export function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * The first element below one that a selector matches, which must be there.
 *
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 */
export function found(root, selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`there is no ${selector}`);
  return /** @type {Kind} */ (element);
}
