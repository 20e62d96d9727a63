// The submission being prepared: it survives a change of page or language, not a reload.

import { size } from "../lib/format.js";

/** `items` are `{ file, fault }`, a fault being the arguments of `t` or null; `values` the form's fields by name. */
export const submission = { items: [], values: null };

const NOT_AUDIO = /^(text|image|font)\/|^application\/(pdf|zip|json|msword|vnd\.|x-msdownload)/;

/** Check a chosen file against the server's choices and the files chosen before; returns its fault or null. */
export function checkFile(file, { max_upload_bytes: maxBytes }, chosen) {
  if (!file.size) return ["empty"];
  if (file.size > maxBytes) return ["tooLarge", { size: size(maxBytes) }];
  if (NOT_AUDIO.test(file.type)) return ["notAudio", { kind: file.type }];
  const same = (other) => other.name === file.name && other.size === file.size && other.lastModified === file.lastModified;
  return chosen.some(same) ? ["twice"] : null;
}
