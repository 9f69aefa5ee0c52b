// Fetches the pictures that the map asks for with the event dgm-pictures-wanted {token, indices}, and hands them over
// with dgm-pictures. It draws nothing: a part of the page of its own, so that a picture costs no drawing of the page.
// data: {order, sprite, size, indices, titles}; state: wanted.
let wish = null; // of the page's one map

export default function ({ data, setStateValue }) {
  if (data?.indices?.length) document.dispatchEvent(new CustomEvent("dgm-pictures", { detail: data }));
  const ask = ({ detail }) => setStateValue("wanted", detail);
  if (wish) document.removeEventListener("dgm-pictures-wanted", wish);
  wish = ask;
  document.addEventListener("dgm-pictures-wanted", ask);
}
