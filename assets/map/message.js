/** What Python packed: uint32 length of a header, the header in JSON, zeros up to a multiple of four, then arrays. */
function parsed(bytes) {
  const copy = bytes.slice(); // so that it begins at a multiple of four
  const length = new DataView(copy.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(4, 4 + length)));
  return { header, buffer: copy.buffer, start: 4 * Math.ceil((4 + length) / 4) };
}
