// @ts-check
// The component of the map. Its data is one buffer (dgm_engine/services/map_wire.py): a LookHeader, then groups and flags
// of all points, whose positions come by places.js.
import { found } from "../elements.js";
import { ImageMap } from "./map-view.js";
/** @import { MapComponent } from "./map-view.js" */

const GONE_MS = 1000; // after which a map that is not in the page was not only moved
/** @type {WeakMap<HTMLElement, ImageMap | null>} null if this browser cannot draw it */
const maps = new WeakMap();

/** @param {MapComponent} component */
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = found(parentElement, ".map");
  let map = maps.get(root);
  if (map === undefined) {
    try {
      map = new ImageMap(root, component);
    } catch (error) {
      console.error(error);
      setStateValue("unable", error instanceof Error ? error.message : String(error));
      map = null;
    }
    maps.set(root, map);
  }
  if (!map) return undefined;
  const drawn = map;
  drawn.component = component;
  drawn.take(data);
  return () => setTimeout(() => root.isConnected || drawn.dispose(), GONE_MS);
}
