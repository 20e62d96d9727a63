// Corrects a transcript in place and keeps its versions: text and speakers, undo, save, what differs from the machine's.

import { get, jobPath, request } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { draftOf } from "./drafts.js";
import { when } from "./format.js";
import { notice, once, sure, trying } from "./notices.js";
import { nameSpeaker } from "./speaker_dialog.js";
import { t } from "./words.js";

export class Corrector extends EventTarget {
  /** `versions` is what `…/corrections` answers, `transcript` its newest version; `view` shows it. */
  constructor(job, versions, transcript, view) {
    super();
    this.job = job;
    this.versions = versions;
    this.version = versions.newest;
    this.saved = transcript;
    this.view = view;
    this.draft = draftOf(job.id);
    this.original = null; // asked when something differs
    this.editing = this.draft.size > 0;
    this.save = once(() => this.#save()); // one for all drawings of its button
    this.picker = h("select", { "aria-label": t("version"), title: t("version"), onchange: () => trying(() => this.show(Number(this.picker.value))) });
    this.compare = h("button.bare.compare", { type: "button", "aria-pressed": "false", onclick: () => this.#toggleChanges() }, icon("compare"), h("span", {}, t("showChanges")));
    this.switch = h("button.correct", { type: "button", "aria-pressed": "false", onclick: () => this.edit(!this.editing) }, icon("pen"), h("span", {}, t("correct")));
    this.element = h("span.row.versions", {}, this.picker, this.compare, this.switch);
    this.bar = h("div.correcting", { role: "region", "aria-label": t("correct") });
    view.addEventListener("choose", (event) => this.#chosen(event));
    view.addEventListener("speaker", ({ detail }) => this.#speaker(detail));
    this.onDraft = () => this.#drafted();
    this.draft.addEventListener("change", this.onDraft);
    view.draft = this.draft;
    if (this.editing) this.edit(true);
    this.#draw();
    if (this.version || this.editing) trying(() => this.#takeOriginal());
  }

  close() {
    this.draft.removeEventListener("change", this.onDraft);
  }

  /** Shows a version; 0 is the machine's. Corrections are made on the newest only. */
  async show(version) {
    this.wanted = version;
    const transcript = await get(`${jobPath(this.job.id, "transcript")}?version=${version}`);
    if (this.wanted !== version) return; // another was chosen meanwhile
    this.version = version;
    this.saved = transcript;
    if (version !== this.versions.newest) this.edit(false);
    if (version) await this.#takeOriginal();
    this.view.show(transcript);
    this.#draw();
    this.dispatchEvent(new Event("version"));
  }

  edit(on) {
    if (on && this.version !== this.versions.newest) return void trying(() => this.show(this.versions.newest).then(() => this.edit(true)));
    this.editing = on;
    this.#closeEditor();
    this.view.element.classList.toggle("editing", on);
    this.view.editing = on;
    this.view.redraw();
    this.#draw();
  }

  async #takeOriginal() {
    this.original ??= await get(`${jobPath(this.job.id, "transcript")}?version=0`);
    this.view.original = new Map(this.original.segments.map((segment) => [segment.id, segment]));
    this.view.redraw();
    this.#draw();
  }

  #draw() {
    const { newest, versions } = this.versions;
    const option = (value, label) => h("option", { value, selected: value === this.version }, label);
    const label = ({ version, at, author, note }) => [t("versionOf", { version, when: when(at) }), author, note].filter(Boolean).join(" · ");
    fill(this.picker, option(0, t("machines")), versions.map((each) => option(each.version, label(each))));
    this.picker.hidden = !newest;
    this.compare.hidden = !this.original || (!this.version && !this.draft.size);
    this.switch.setAttribute("aria-pressed", String(this.editing));
    this.#drawBar();
  }

  #drawBar() {
    this.bar.hidden = !this.editing;
    if (!this.editing) return;
    const n = this.draft.size;
    const focused = this.bar.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.note ??= h("input", { type: "text", maxlength: 500, placeholder: t("versionNote"), "aria-label": t("versionNote"), data: { part: "note" } });
    const button = (part, label, act, disabled, kind = "") => h(`button${kind}`, { type: "button", disabled, data: { part }, onclick: act }, label);
    fill(
      this.bar,
      h("span.count", { role: "status" }, n ? t("changed", { n }) : t("correctHint")),
      button("undo", [icon("undo"), t("undo")], () => this.draft.undo(), !this.draft.undoable),
      button("discard", t("discard"), () => this.#discard(), !n),
      this.note,
      button("save", t("saveVersion", { n: this.versions.newest + 1 }), this.save, !n, ".primary"),
    );
    if (focused) this.bar.querySelector(`[data-part="${focused}"]:not(:disabled)`)?.focus();
  }

  #drafted() {
    if (!this.original) trying(() => this.#takeOriginal());
    this.view.redraw();
    this.#draw();
  }

  #toggleChanges() {
    const on = this.view.element.classList.toggle("showing-changes");
    this.compare.setAttribute("aria-pressed", String(on));
    this.view.markChanges(on);
  }

  // Text

  #chosen(event) {
    if (!this.editing) return;
    event.preventDefault();
    this.#open(event.detail);
  }

  #open(line) {
    this.#closeEditor();
    const place = line.element.querySelector(".words");
    const area = h("textarea.edit", { rows: 1, spellcheck: "true", maxlength: 10_000, "aria-label": t("textOf", { time: line.clock }) });
    area.value = line.text;
    const fit = () => {
      area.style.height = "auto";
      area.style.height = `${area.scrollHeight + 2}px`;
    };
    area.addEventListener("input", fit);
    area.addEventListener("keydown", (event) => this.#keys(event));
    area.addEventListener("blur", () => this.#closeEditor());
    this.open = { line, area, place };
    place.replaceWith(area);
    fit();
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  /** Takes what was written, unless it shall not count; returns the line. */
  #closeEditor({ keep = true } = {}) {
    if (!this.open) return null;
    const { line, area, place } = this.open;
    this.open = null;
    const text = area.value.split(/\s+/).filter(Boolean).join(" ");
    area.replaceWith(place);
    const segment = this.#savedSegment(line);
    if (keep && text !== line.text) this.draft.change([[segment, { text }]]);
    else this.view.redraw();
    return this.view.bySegment.get(segment.id);
  }

  #keys(event) {
    if (event.isComposing) return;
    const line = this.view.bySegment.get(this.open.line.segment.id);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.view.dispatchEvent(new CustomEvent("seek", { detail: line.start_s }));
    } else if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      const next = this.view.spokenAfter(line, event.key === "Escape" ? 0 : event.shiftKey ? -1 : 1);
      const { id } = (next ?? line).segment;
      const here = this.#closeEditor({ keep: event.key === "Enter" });
      if (event.key === "Enter" && next) this.#open(this.view.bySegment.get(id));
      else here.element.querySelector("button.time").focus();
    }
    event.stopPropagation(); // the player's keys are none of these
  }

  #savedSegment(line) {
    return this.saved.segments.find((segment) => segment.id === line.segment.id);
  }

  // Speakers

  async #speaker(line) {
    if (!this.editing) return;
    const chosen = await nameSpeaker(line.segment.speaker, this.view.speakers);
    if (!chosen) return;
    const same = chosen.everywhere ? this.saved.segments.filter((segment) => this.draft.apply(segment).speaker === line.segment.speaker) : [this.#savedSegment(line)];
    this.draft.change(same.map((segment) => [segment, { speaker: chosen.name }]));
    this.view.bySegment.get(line.segment.id)?.element?.querySelector("button.speaker")?.focus();
  }

  // Versions

  async #discard() {
    if (!(await sure(t("discardSure", { n: this.draft.size }), t("discard")))) return;
    this.draft.clear();
  }

  async #save() {
    this.#closeEditor();
    const base = this.versions.newest;
    try {
      await request(jobPath(this.job.id, "corrections"), { method: "POST", json: { base, segments: this.draft.segments(), note: this.note.value } });
    } catch (error) {
      if (error.reason !== "version_conflict") throw error;
      await this.#newest();
      return void notice(t("overtaken", { n: this.versions.newest }), "error");
    }
    this.draft.clear();
    this.note.value = "";
    await this.#newest();
    this.edit(false);
    notice(t("versionSaved", { n: this.version }));
    this.switch.focus();
  }

  /** Reads the list and the newest version again; unsaved changes stay on top of it. */
  async #newest() {
    this.versions = await get(jobPath(this.job.id, "corrections"));
    await this.show(this.versions.newest);
  }
}
