// The strip at the top of the list: files are dropped or chosen, checked, given options, sent.

import { add, fill, h, icon } from "./dom.js";
import { submission } from "./drafts.js";
import { percent, size } from "./format.js";
import { trying } from "./notices.js";
import { choices, optionsForm } from "./options_form.js";
import { t } from "./words.js";
import { uploads } from "./uploads.js";

const NO_RECORDING = /^(text|image|font)\/|^application\/(pdf|zip|json|msword|vnd\.|x-msdownload)/;

export class SubmitStrip {
  constructor() {
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
    if (submission.items.length) trying(() => this.#drawStaged()); // chosen before the page, or its language, changed
  }

  close() {
    uploads.removeEventListener("change", this.onUploads);
    this.undrop();
  }

  async stage(files) {
    const can = await trying(choices);
    if (!can) return;
    for (const file of files) submission.items.push({ file, fault: faultOf(file, can) });
    await this.#drawStaged();
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

  async #drawStaged() {
    const { items } = submission;
    if (!items.length) {
      fill(this.stage_);
      this.form = submission.values = null;
      return;
    }
    const can = await choices();
    this.form ??= optionsForm(can);
    const good = items.filter((item) => !item.fault);
    const list = h("ul.files", { "aria-label": t("staged", { n: items.length }) }, items.map((item) => this.#row(item)));
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
      submission.items = submission.items.filter((other) => other !== item);
      this.#drawStaged();
    };
    return h(
      `li${item.fault ? ".faulty" : ""}`,
      {},
      h("span.name", {}, item.file.name),
      item.fault ? h("span.fault", {}, icon("warning"), t(...item.fault)) : h("span.dim", {}, size(item.file.size)),
      h("button.bare", { type: "button", "aria-label": t("removeFile", { name: item.file.name }), onclick: remove }, icon("close")),
    );
  }

  #clear() {
    submission.items = [];
    this.#drawStaged();
    this.strip.querySelector("input").focus();
  }

  #send() {
    const options = this.form.values();
    if (!options) return;
    uploads.forgetSent();
    uploads.add(submission.items.filter((item) => !item.fault).map((item) => item.file), options);
    submission.items = [];
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
    const focused = this.sending.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    fill(this.sending, h("p.head", {}, title), h("ul.files", {}, shown.slice(0, 20).map(sendingRow)));
    if (focused) this.sending.querySelector(`[data-part="${CSS.escape(focused)}"]`)?.focus();
  }
}

function sendingRow(item) {
  const name = item.file.name;
  const share = percent(item.sent / Math.max(1, item.file.size));
  const bar = () => h("progress", { max: Math.max(1, item.file.size), value: item.sent, "aria-label": name });
  const words = {
    sending: () => [bar(), h("span.dim.share", {}, share)],
    paused: () => [bar(), h("span.dim", {}, t("pausedAt", { share }))],
    pausing: () => h("span.dim", {}, t(item.lost ? "connectionLost" : "sendAgainIn", { s: item.pauseS, share })),
    failed: () => h("span.fault", {}, icon("warning"), t("notSent", { why: item.why })),
  };
  const button = (what, label, symbol, act) => h("button.bare", { type: "button", "aria-label": t(label, { name }), data: { part: `${what}-${name}` }, onclick: () => act(item) }, icon(symbol));
  return h(
    `li${item.state === "failed" ? ".faulty" : ""}`,
    {},
    h("span.name", {}, name),
    words[item.state](),
    item.state === "failed" && button("again", "sendAgain", "retry", (each) => uploads.resume(each)),
    (item.state === "sending" || item.state === "pausing") && button("hold", "pauseSending", "pause", (each) => uploads.pause(each)),
    item.state === "paused" && button("hold", "resumeSending", "play", (each) => uploads.resume(each)),
    button("stop", "stopSending", "close", (each) => uploads.stop(each)),
  );
}

/** The word for what is wrong with a file and what fills it; null where nothing is. */
function faultOf(file, can) {
  if (!file.size) return ["empty"];
  if (file.size > can.max_upload_bytes) return ["tooLarge", { size: size(can.max_upload_bytes) }];
  if (NO_RECORDING.test(file.type)) return ["notAudio", { kind: file.type }];
  const same = ({ file: other }) => other.name === file.name && other.size === file.size && other.lastModified === file.lastModified;
  return submission.items.some(same) ? ["twice"] : null;
}
