// Builds elements without parsing markup: the page's Trusted Types policy forbids `innerHTML`.

const SVG = "http://www.w3.org/2000/svg";

/** Build an element: h("button.primary", { onclick, "aria-label": "…" }, child, …). Null, undefined and false are skipped. */
export function h(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "indeterminate") element[key] = value;
    else if (key === "data") Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

/** Append children, nested lists flattened; null, undefined and false are skipped. */
export function add(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    parent.append(child);
  }
  return parent;
}

/** Replace all children. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  return add(parent, children);
}

/** Replace all children; the focus returns to the element with the same `data-part`. */
export function refill(parent, ...children) {
  const part = parent.contains(document.activeElement) ? document.activeElement.dataset.part : undefined;
  fill(parent, children);
  if (part !== undefined) parent.querySelector(`[data-part="${CSS.escape(part)}"]:not(:disabled)`)?.focus({ preventScroll: true });
}

const PATHS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  back: "M15 5l-7 7 7 7",
  down: "M6 9l6 6 6-6",
  up: "M6 15l6-6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  upload: "M12 16V5M7 9.5L12 4.5l5 5M5 19.5h14",
  download: "M12 4.5v11M7 11l5 5 5-5M5 19.5h14",
  search: "M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM15.5 15.5L20 20",
  retry: "M19 12a7 7 0 1 1-2.3-5.2M19.5 4v4.5H15",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7",
  stop: "M7 7h10v10H7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4.5l8.5 15h-17zM12 10v4.5M12 16.8v.4",
  failed: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM9 9l6 6M15 9l-6 6",
  clock: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 7v5.2l3.4 2",
  wave: "M4 10v4M8 7v10M12 9v6M16 5v14M20 10v4",
  pen: "M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19z",
  undo: "M9 7L4.5 11.5 9 16M4.5 11.5h9a5 5 0 0 1 0 10H11",
  compare: "M12 4v16M4 8h4.5M4 12h4.5M4 16h4.5M15.5 8H20M15.5 12H20M15.5 16H20",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  sun: "M12 16.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  half: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 3v18",
  leave: "M10 5H5v14h5M14 8l4.5 4-4.5 4M8.5 12h9.5",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  minutes: "M6 4h12v16H6zM9 9h6M9 12.5h6M9 16h3.5",
};

/** Build a decorative icon, hidden from assistive technology: the text beside it or the button's label names it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Wrap a function so that it runs at most once per animation frame, with the latest arguments. */
export function throttleToFrame(step) {
  let latest = null;
  return (...given) => {
    if (latest === null) {
      requestAnimationFrame(() => {
        const now = latest;
        latest = null;
        step(...now);
      });
    }
    latest = given;
  };
}

/** Wrap a function so that it runs once no call has come for `ms` milliseconds. */
export function debounce(ms, step) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => step(...given), ms);
  };
}
