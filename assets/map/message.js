// @ts-check

/**
 * What Python packed: uint32 length of a header, the header in JSON, zeros up to a multiple of four, then arrays.
 *
 * @template Header
 * @param {Uint8Array} bytes
 */
export function parsed(bytes) {
  const copy = new Uint8Array(bytes); // so that it begins at a multiple of four
  const length = new DataView(copy.buffer).getUint32(0, true);
  const header = /** @type {Header} */ (JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + length))));
  return { header, buffer: copy.buffer, start: 4 * Math.ceil((4 + length) / 4) };
}
