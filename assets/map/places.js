// Hands the positions of the points to the map. It draws nothing; it stands by itself so that positions travel once for
// each layout, and not with every colouring. data: header {token, n}, then (n) positions, two uint16 each.
export default function ({ data }) {
  const { header, buffer, start } = parsed(data);
  if (window.dgmPlaces?.token === header.token) return;
  window.dgmPlaces = { token: header.token, xy: new Uint16Array(buffer, start, 2 * header.n) };
  document.dispatchEvent(new CustomEvent("dgm-places"));
}
