// What somebody has begun and not sent: it outlives a change of page or language, not of the tab.

/** Recordings that were chosen: `items` are {file, fault}, `values` what the form says by the names of its fields. */
export const submission = { items: [], values: null };

/** Corrections of one transcript that are not saved, over whatever version is shown. */
class Draft extends EventTarget {
  #edits = new Map(); // segment id → {text?, speaker?}
  #past = []; // each a list of [id, what stood there]

  /** How many passages differ. */
  get size() {
    return this.#edits.size;
  }

  get undoable() {
    return this.#past.length > 0;
  }

  /** A segment as it would be. */
  apply(segment) {
    const edit = this.#edits.get(segment.id);
    return edit ? { ...segment, ...edit } : segment;
  }

  /** Changes segments at once, as one step of undo: [segment as saved, {text?, speaker?}] each. */
  change(changes) {
    const before = [];
    for (const [segment, fields] of changes) {
      const merged = { ...this.#edits.get(segment.id), ...fields };
      for (const name of Object.keys(merged)) if (merged[name] === segment[name]) delete merged[name];
      before.push([segment.id, this.#edits.get(segment.id)]);
      this.#set(segment.id, Object.keys(merged).length ? merged : undefined);
    }
    this.#past.push(before);
    this.#changed();
  }

  undo() {
    for (const [id, edit] of this.#past.pop() ?? []) this.#set(id, edit);
    this.#changed();
  }

  clear() {
    this.#edits.clear();
    this.#past = [];
    this.#changed();
  }

  /** What the API takes. */
  segments() {
    return [...this.#edits].map(([id, edit]) => ({ id, ...edit }));
  }

  #set(id, edit) {
    if (edit) this.#edits.set(id, edit);
    else this.#edits.delete(id);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

const drafts = new Map();

export function draftOf(jobId) {
  if (!drafts.has(jobId)) drafts.set(jobId, new Draft());
  return drafts.get(jobId);
}

addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some((draft) => draft.size)) event.preventDefault();
});
