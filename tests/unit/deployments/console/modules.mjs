// Loads a module of the console by its path below deployments/console/js.

import "./browser.mjs";

export const SOURCES = new URL("../../../../deployments/console/js/", import.meta.url);

export const load = (path) => import(new URL(path, SOURCES));
