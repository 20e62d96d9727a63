// The strip at the top of the list: files are dropped or chosen, checked, given options, sent.

import { get } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { languageName, size } from "./format.js";
import { tastes } from "./session.js";
import { named, t } from "./words.js";
import { uploads } from "./uploads.js";

const NO_RECORDING = /^(text|image|font)\/|^application\/(pdf|zip|json|msword|vnd\.|x-msdownload)/;
const REMEMBERED = ["model", "language", "channels", "minutes", "minutes_language", "priority", "word_timestamps", "keep_audio"];

let choices = null; // asked once a page load

export class SubmitStrip {
  constructor() {
    this.staged = []; // {file, fault}
    this.input = h("input.visually-hidden", {
      type: "file",
      multiple: true,
      id: "files",
      onchange: () => {
        this.stage([...this.input.files]);
        this.input.value = "";
      },
    });
    this.element = h("section.submit", { "aria-label": t("newRecordings") });
    this.strip = h(
      "div.strip",
      {},
      icon("upload"),
      h("span", {}, t("dropHere")),
      this.input,
      h("label.button", { for: "files" }, t("chooseFiles")),
    );
    this.stage_ = h("div.staged");
    this.sending = h("div.sending", { "aria-live": "polite" });
    add(this.element, this.strip, this.stage_, this.sending);
    this.form = null;
    this.onUploads = () => this.#drawSending();
    uploads.addEventListener("change", this.onUploads);
    this.#takeDrops();
    this.#drawSending();
  }

  close() {
    uploads.removeEventListener("change", this.onUploads);
    this.undrop();
  }

  async stage(files) {
    choices ??= await get("/v1/choices");
    for (const file of files) this.staged.push({ file, fault: faultOf(file) });
    this.#drawStaged();
    this.stage_.querySelector("button.primary")?.focus();
  }

  #takeDrops() {
    let depth = 0;
    const mark = (on) => document.body.classList.toggle("dropping", on);
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    const handlers = {
      dragenter: (event) => hasFiles(event) && (depth++, mark(true)),
      dragleave: (event) => hasFiles(event) && --depth <= 0 && ((depth = 0), mark(false)),
      dragover: (event) => hasFiles(event) && event.preventDefault(),
      drop: (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        depth = 0;
        mark(false);
        this.stage([...event.dataTransfer.files]);
      },
    };
    for (const [name, handler] of Object.entries(handlers)) addEventListener(name, handler);
    this.undrop = () => {
      mark(false);
      for (const [name, handler] of Object.entries(handlers)) removeEventListener(name, handler);
    };
  }

  #drawStaged() {
    if (!this.staged.length) {
      fill(this.stage_);
      this.form = null;
      return;
    }
    this.form ??= optionsForm();
    const good = this.staged.filter((item) => !item.fault);
    const list = h("ul.files", { "aria-label": t("staged", { n: this.staged.length }) }, this.staged.map((item) => this.#row(item)));
    fill(
      this.stage_,
      h("h2", {}, t("staged", { n: good.length })),
      list,
      this.form.element,
      h(
        "div.row.end",
        {},
        h("button", { type: "button", onclick: () => this.#clear() }, t("clear")),
        h("button.primary", { type: "button", disabled: !good.length, onclick: () => this.#send() }, t("send", { n: good.length })),
      ),
    );
  }

  #row(item) {
    const remove = () => {
      this.staged = this.staged.filter((other) => other !== item);
      this.#drawStaged();
    };
    return h(
      `li${item.fault ? ".faulty" : ""}`,
      {},
      h("span.name", {}, item.file.name),
      item.fault ? h("span.fault", {}, icon("warning"), item.fault) : h("span.dim", {}, size(item.file.size)),
      h("button.bare", { type: "button", "aria-label": t("removeFile", { name: item.file.name }), onclick: remove }, icon("close")),
    );
  }

  #clear() {
    this.staged = [];
    this.#drawStaged();
    this.strip.querySelector("input").focus();
  }

  #send() {
    const options = this.form.values();
    if (!options) return;
    uploads.forgetSent();
    uploads.add(this.staged.filter((item) => !item.fault).map((item) => item.file), options);
    this.staged = [];
    this.#drawStaged();
  }

  #drawSending() {
    const { items } = uploads;
    if (!items.length) return void fill(this.sending);
    const n = items.filter((item) => item.state === "sent").length;
    const shown = items.filter((item) => item.state !== "sent" && item.state !== "waiting");
    const title = n === items.length ? t("sentAll", { n }) : t("sending", { n: Math.min(n + 1, items.length), total: items.length });
    if (n === items.length && !this.fading) {
      this.fading = setTimeout(() => ((this.fading = 0), uploads.forgetSent()), 4000);
    }
    fill(this.sending, h("p.head", {}, title), h("ul.files", {}, shown.slice(0, 20).map(sendingRow)));
  }
}

function sendingRow(item) {
  const name = item.file.name;
  const words = {
    sending: () => h("progress", { max: Math.max(1, item.file.size), value: item.sent, "aria-label": name }),
    pausing: () => h("span.dim", {}, t("sendAgainIn", { s: item.pauseS })),
    failed: () => h("span.fault", {}, icon("warning"), t("notSent", { why: item.why })),
  };
  return h(
    `li${item.state === "failed" ? ".faulty" : ""}`,
    {},
    h("span.name", {}, name),
    words[item.state](),
    item.state === "failed" &&
      h("button.bare", { type: "button", "aria-label": t("sendAgain", { name }), onclick: () => uploads.again(item) }, icon("retry")),
    h("button.bare", { type: "button", "aria-label": t("stopSending", { name }), onclick: () => uploads.stop(item) }, icon("close")),
  );
}

function faultOf(file) {
  if (!file.size) return t("empty");
  if (file.size > choices.max_upload_bytes) return t("tooLarge", { size: size(choices.max_upload_bytes) });
  if (NO_RECORDING.test(file.type)) return t("notAudio", { kind: file.type });
  return "";
}

function optionsForm() {
  const remembered = JSON.parse(tastes.get("options", "{}"));
  const field = (name, input, hint) => {
    input.id = `option-${name}`;
    input.name = name;
    const note = hint && h("small.dim", { id: `hint-${name}` }, hint);
    if (note) input.setAttribute("aria-describedby", note.id);
    return h("div.field", {}, h("label", { for: input.id }, t(LABELS[name])), input, note);
  };
  const select = (name, pairs, standard) => {
    const chosen = pairs.some(([value]) => value === remembered[name]) ? remembered[name] : standard;
    return field(name, h("select", {}, pairs.map(([value, label]) => h("option", { value, selected: value === chosen }, label))));
  };
  const check = (name, label, hint, standard = true) => {
    const id = `option-${name}`;
    const box = h("input", { type: "checkbox", id, name, checked: remembered[name] ?? standard });
    return h("div.field.check", {}, box, h("div", {}, h("label", { for: id }, label), hint && h("small.dim", {}, hint)));
  };
  const languages = choices.languages.map((code) => [code, languageName(code)]).sort(([, a], [, b]) => a.localeCompare(b));
  const element = h(
    "form.options",
    { onsubmit: (event) => event.preventDefault() },
    choices.models.length > 1 && select("model", choices.models.map((name) => [name, name]), choices.default_model),
    select("language", [["", t("detected")], ...languages], ""),
    select("channels", ["mix", "split"].map((name) => [name, t(`channels_${name}`)]), "mix"),
    field("speakers", h("input", { type: "text", maxlength: 1600, autocomplete: "off" }), t("speakersHint")),
    select("minutes", choices.minutes.map((name) => [name, named("minutes", name)]), "auto"),
    select("minutes_language", [["", t("asTranscript")], ...languages], ""),
    select("priority", [["-10", t("priority_low")], ["0", t("priority_normal")], ["10", t("priority_high")]], "0"),
    check("word_timestamps", t("wordTimes")),
    choices.keeps_audio && check("keep_audio", t("keepAudio"), t("keepAudioHint")),
  );
  return { element, values: () => valuesOf(element) };
}

const LABELS = {
  model: "model",
  language: "language",
  channels: "channels",
  speakers: "speakers",
  minutes: "minutes",
  minutes_language: "minutesLanguage",
  priority: "priority",
};

/** The options as the API takes them: what stands on its default is left out. */
function valuesOf(form) {
  const values = {};
  const kept = {};
  for (const input of form.elements) {
    if (!input.name) continue;
    const value = input.type === "checkbox" ? input.checked : input.value.trim();
    if (REMEMBERED.includes(input.name)) kept[input.name] = value;
    if (value !== "" && input.name !== "speakers") values[input.name] = String(value);
  }
  tastes.set("options", JSON.stringify(kept));
  if (values.minutes === "none") delete values.minutes_language;
  values.speakers = form.elements.speakers.value
    .split(/[,，、]/)
    .map((name) => name.trim())
    .filter(Boolean)
    .slice(0, 16);
  return values;
}
