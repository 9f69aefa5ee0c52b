// What the type checker has to know beside the messages of contract.js. The browser never sees this file.
import type { Live, Pictures, Wanted } from "./contract.js";

/** What Streamlit gives the default export of a component, each time that its data is drawn. */
export interface Component<Data = unknown, State = object, Triggers = object> {
  data: Data;
  parentElement: HTMLElement | ShadowRoot;
  setStateValue<Name extends keyof State>(name: Name, value: State[Name]): void;
  setTriggerValue<Name extends keyof Triggers>(name: Name, value: Triggers[Name]): void;
}

declare global {
  /** What the components of a page hand each other; each of them is a script of its own. */
  interface Window {
    /** By slot, the newest sprite of a board: sprite.js to labelling/. */
    dgmSprites?: Map<string, { name: string; address: string }>;
    /** The point of the image that is looked at: labelling/ to map/. */
    dgmMark?: { board: object; order: string; point: number | null };
    /** The positions of the points, two uint16 each: map/places.js to map/map.js. */
    dgmPlaces?: { token: string; xy: Uint16Array };
  }

  interface DocumentEventMap {
    "dgm-sprite": CustomEvent;
    "dgm-mark": CustomEvent;
    "dgm-places": CustomEvent;
    "dgm-live": CustomEvent<Live>;
    "dgm-pictures": CustomEvent<Pictures>;
    "dgm-pictures-wanted": CustomEvent<Wanted>;
  }
}
