// Unsaved corrections: they survive a change of page or language, not a reload.

/** The unsaved corrections of one transcript; they apply to whichever version is shown. Dispatches "change". */
export class Draft extends EventTarget {
  #edits = new Map(); // segment id → {text?, speaker?}
  #undoStack = []; // each step: a list of [id, edit before]

  /** Number of segments that differ. */
  get size() {
    return this.#edits.size;
  }

  get undoable() {
    return this.#undoStack.length > 0;
  }

  /** Return a segment with its correction. */
  apply(segment) {
    const edit = this.#edits.get(segment.id);
    return edit ? { ...segment, ...edit } : segment;
  }

  /** Change segments in one undo step; `changes` are [segment as saved, { text?, speaker? }]. */
  change(changes) {
    const before = [];
    for (const [segment, fields] of changes) {
      const edit = { ...this.#edits.get(segment.id), ...fields };
      for (const name of Object.keys(edit)) if (edit[name] === segment[name]) delete edit[name];
      before.push([segment.id, this.#edits.get(segment.id)]);
      this.#set(segment.id, Object.keys(edit).length ? edit : undefined);
    }
    this.#undoStack.push(before);
    this.#changed();
  }

  undo() {
    for (const [id, edit] of this.#undoStack.pop() ?? []) this.#set(id, edit);
    this.#changed();
  }

  clear() {
    this.#edits.clear();
    this.#undoStack = [];
    this.#changed();
  }

  /** The `segments` of the API's correction request. */
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

const drafts = new Map(); // by job id

export function draftFor(jobId) {
  if (!drafts.has(jobId)) drafts.set(jobId, new Draft());
  return drafts.get(jobId);
}

addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some((draft) => draft.size)) event.preventDefault();
});
