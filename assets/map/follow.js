// Tells the map what the model at work makes of a sample of the images. It draws nothing; a part of the page of its own
// looks every few seconds. data: {} or {order, points, xy, hues, components};
// hues are null where the points keep the colours that they have; components are the clusters whose name they have.
export default function ({ data }) {
  document.dispatchEvent(new CustomEvent("dgm-live", { detail: data }));
}
