// The few globals of a browser that the console's modules read when they are loaded. Import it before them.

class Storage {
  #items = new Map();
  getItem = (key) => this.#items.get(key) ?? null;
  setItem = (key, value) => void this.#items.set(key, String(value));
  removeItem = (key) => void this.#items.delete(key);
}

function define(name, value) {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

define("navigator", { language: "en-GB" });
define("localStorage", new Storage());
define("sessionStorage", new Storage());
define("document", { documentElement: { lang: "" } });
define("location", { href: "http://console.test/" });
const page = new EventTarget();
define("addEventListener", page.addEventListener.bind(page));
define("dispatchEvent", page.dispatchEvent.bind(page));
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(name, { detail = null } = {}) {
    super(name);
    this.detail = detail;
  }
};
