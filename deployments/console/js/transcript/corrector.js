// Corrects a transcript in place: text, speakers, undo, versions, and their differences from the machine's transcript.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get, jobPath, request } from "../lib/api.js";
import { fill, h, icon, refill } from "../lib/dom.js";
import { shortDateTime } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { confirmDialog, toast, withErrorToast } from "../lib/toasts.js";
import { draftFor } from "./drafts.js";
import { asHeard } from "./matches.js";
import { askSpeakerName } from "./speaker_dialog.js";

export class Corrector extends EventTarget {
  /** `versions` is the response of `…/corrections`, `transcript` the newest version, `view` the view that shows it. */
  constructor(job, versions, transcript, view) {
    super();
    this.job = job;
    this.versions = versions;
    this.version = versions.newest;
    this.saved = transcript;
    this.view = view;
    this.draft = draftFor(job.id);
    this.original = null; // the machine's transcript, read once something differs from it
    this.editing = this.draft.size > 0;
    this.saving = false; // no edits meanwhile: they would be in neither the request nor the draft
    this.picker = h("select", { "aria-label": t("version"), title: t("version"), onchange: () => this.#pick(Number(this.picker.value)) });
    this.compare = h("button.bare.compare", { type: "button", "aria-pressed": "false", onclick: () => this.#toggleChanges() }, icon("compare"), h("span", {}, t("showChanges")));
    this.switch = actionButton("button.correct", { key: `correct-${job.id}`, run: () => this.edit(!this.editing), "aria-pressed": "false" }, icon("pen"), h("span", {}, t("correct")));
    this.element = h("span.row.versions", {}, this.picker, this.compare, this.switch);
    this.bar = h("div.correcting", { role: "region", "aria-label": t("correct") });
    view.addEventListener("choose", (event) => this.#choose(event));
    view.addEventListener("speaker", ({ detail }) => this.#renameSpeaker(detail));
    view.addEventListener("unmatch", ({ detail }) => this.#unmatch(detail));
    this.onDraft = () => this.#draftChanged();
    this.draft.addEventListener("change", this.onDraft);
    view.draft = this.draft;
    if (!account.may("jobs:write")) this.editing = false;
    if (this.editing) this.edit(true);
    this.#draw();
    if (this.version || this.editing) withErrorToast(() => this.#readOriginal());
  }

  close() {
    this.draft.removeEventListener("change", this.onDraft);
  }

  /** Show a version; 0 is the machine's. Only the newest can be corrected. */
  async show(version) {
    this.requested = version;
    const transcript = await get(`${jobPath(this.job.id, "transcript")}?version=${version}`);
    if (this.requested !== version) return; // another was chosen meanwhile
    this.version = version;
    this.saved = transcript;
    if (version !== this.versions.newest) this.edit(false);
    if (version) await this.#readOriginal();
    this.view.show(transcript);
    this.#draw();
    this.dispatchEvent(new Event("version"));
  }

  async #pick(version) {
    await withErrorToast(() => this.show(version));
    this.#draw(); // where that failed, the picker goes back to the version shown
  }

  /** Begin or end correcting; begins with the newest version. */
  async edit(on) {
    if (on && this.version !== this.versions.newest) await this.show(this.versions.newest);
    if (on && this.version !== this.versions.newest) return; // another was chosen meanwhile
    this.editing = on;
    this.#closeEditor();
    this.view.element.classList.toggle("editing", on);
    this.view.editing = on;
    this.view.redraw();
    this.#draw();
  }

  async #readOriginal() {
    this.original ??= await get(`${jobPath(this.job.id, "transcript")}?version=0`);
    this.view.original = new Map(this.original.segments.map((segment) => [segment.id, segment]));
    this.view.redraw();
    this.#draw();
  }

  #draw() {
    const { newest, versions } = this.versions;
    const option = (value, label) => h("option", { value, selected: value === this.version }, label);
    const label = ({ version, at, author, note }) => [t("versionOf", { version, when: shortDateTime(at) }), author, note].filter(Boolean).join(" · ");
    fill(this.picker, option(0, t("machines")), versions.map((each) => option(each.version, label(each))));
    this.switch.hidden = !account.may("jobs:write");
    this.picker.hidden = !newest;
    this.compare.hidden = !this.original || (!this.version && !this.draft.size);
    this.switch.setAttribute("aria-pressed", String(this.editing));
    this.#drawBar();
  }

  #drawBar() {
    this.bar.hidden = !this.editing;
    if (!this.editing) return;
    const n = this.draft.size;
    const { saving } = this;
    this.note ??= h("input", { type: "text", maxlength: 500, placeholder: t("versionNote"), "aria-label": t("versionNote"), data: { part: "note" } });
    this.note.readOnly = saving;
    const key = `save-${this.job.id}`;
    refill(
      this.bar,
      h("span.count", { role: "status" }, n ? t("changed", { n }) : t("correctHint")),
      h("button", { type: "button", disabled: saving || !this.draft.undoable, data: { part: "undo" }, onclick: () => this.draft.undo() }, icon("undo"), t("undo")),
      h("button", { type: "button", disabled: saving || !n, data: { part: "discard" }, onclick: () => this.#discard() }, t("discard")),
      this.note,
      actionButton("button.primary", { key, run: () => this.#save(), disabled: !n, data: { part: "save" } }, t("saveVersion", { n: this.versions.newest + 1 })),
    );
  }

  #draftChanged() {
    if (!this.original) withErrorToast(() => this.#readOriginal());
    this.view.redraw();
    this.#draw();
  }

  #toggleChanges() {
    const on = this.view.element.classList.toggle("showing-changes");
    this.compare.setAttribute("aria-pressed", String(on));
    this.view.markChanges(on);
  }

  // Text

  #choose(event) {
    if (!this.editing) return;
    event.preventDefault();
    if (!this.saving) this.#open(event.detail);
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

  /** Close the text field, keeping its text in the draft unless `keep` is false; returns the line. */
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
    event.stopPropagation(); // not for the player
  }

  /** Write what was heard in place of a term again. */
  #unmatch({ line, match }) {
    if (this.saving) return;
    const segment = this.#savedSegment(line);
    this.draft.change([[segment, { text: asHeard(segment.text, match) }]]);
  }

  #savedSegment(line) {
    return this.saved.segments.find((segment) => segment.id === line.segment.id);
  }

  // Speakers

  async #renameSpeaker(line) {
    if (!this.editing || this.saving) return;
    const chosen = await askSpeakerName(line.segment.speaker, this.view.speakers);
    if (!chosen) return;
    const same = chosen.everywhere ? this.saved.segments.filter((segment) => this.draft.apply(segment).speaker === line.segment.speaker) : [this.#savedSegment(line)];
    this.draft.change(same.map((segment) => [segment, { speaker: chosen.name }]));
    this.view.bySegment.get(line.segment.id)?.element?.querySelector("button.speaker")?.focus();
  }

  // Versions

  async #discard() {
    if (!(await confirmDialog(t("discardSure", { n: this.draft.size }), t("discard")))) return;
    this.draft.clear();
  }

  async #save() {
    this.#closeEditor();
    this.#setSaving(true);
    try {
      await this.#saveDraft();
    } finally {
      this.#setSaving(false);
    }
  }

  async #saveDraft() {
    const base = this.versions.newest;
    try {
      await request(jobPath(this.job.id, "corrections"), { method: "POST", json: { base, segments: this.draft.segments(), note: this.note.value } });
    } catch (error) {
      if (error.reason !== "version_conflict") throw error;
      await this.#readNewest();
      return void toast(t("overtaken", { n: this.versions.newest }), "error");
    }
    this.draft.clear();
    this.note.value = "";
    await this.#readNewest();
    await this.edit(false);
    toast(t("versionSaved", { n: this.version }));
    this.switch.focus();
  }

  #setSaving(saving) {
    this.saving = saving;
    this.#drawBar();
  }

  /** Read the list of versions and the newest again; the draft stays on top of it. */
  async #readNewest() {
    this.versions = await get(jobPath(this.job.id, "corrections"));
    await this.show(this.versions.newest);
  }
}
