// The submission panel above the list: files are dropped or chosen, checked, given options and sent.

import { add, fill, h, icon, refill } from "../lib/dom.js";
import { percent, size } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { withErrorToast } from "../lib/toasts.js";
import { EstimateLine } from "./estimate.js";
import { optionsForm, readChoices } from "./options_form.js";
import { checkFile, submission } from "./submission.js";
import { uploads } from "./uploads.js";

const MAX_SHOWN = 20;
const SENT_SHOWN_MS = 4000;

export class SubmitPanel {
  constructor() {
    this.input = h("input.visually-hidden", {
      type: "file",
      multiple: true,
      id: "files",
      onchange: () => {
        this.#stage([...this.input.files]);
        this.input.value = "";
      },
    });
    this.staged = h("div.staged");
    this.sending = h("div.sending", { "aria-live": "polite" });
    this.element = h(
      "section.submit",
      { "aria-label": t("newRecordings") },
      h("div.dropzone", {}, icon("upload"), h("span", {}, t("dropHere")), this.input, h("label.button", { for: "files" }, t("chooseFiles"))),
      this.staged,
      this.sending,
    );
    this.form = null;
    this.estimate = new EstimateLine();
    this.onUploads = () => this.#drawSending();
    uploads.addEventListener("change", this.onUploads);
    this.#acceptDrops();
    this.#drawSending();
    if (submission.items.length) withErrorToast(() => this.#drawStaged()); // chosen before the page or its language changed
  }

  close() {
    uploads.removeEventListener("change", this.onUploads);
    this.removeDropHandlers();
  }

  async #stage(files) {
    if (!submission.items.length) fill(this.staged, h("p.dim", {}, t("loading")));
    const choices = await withErrorToast(readChoices);
    for (const file of choices ? files : []) {
      const chosen = submission.items.map((item) => item.file);
      submission.items.push({ file, fault: checkFile(file, choices, chosen) });
    }
    await this.#drawStaged();
    this.staged.querySelector("button.primary")?.focus();
  }

  #acceptDrops() {
    let depth = 0; // dragenter and dragleave also come from nested elements
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
        this.#stage([...event.dataTransfer.files]);
      },
    };
    for (const [name, handler] of Object.entries(handlers)) addEventListener(name, handler);
    this.removeDropHandlers = () => {
      mark(false);
      for (const [name, handler] of Object.entries(handlers)) removeEventListener(name, handler);
    };
  }

  async #drawStaged() {
    const { items } = submission;
    if (!items.length) {
      fill(this.staged);
      this.form = submission.values = null;
      return;
    }
    this.form ??= optionsForm(await readChoices(), () => this.#estimate());
    const good = items.filter((item) => !item.fault);
    fill(
      this.staged,
      h("h2", {}, t("staged", { n: good.length })),
      h("ul.files", { "aria-label": t("staged", { n: items.length }) }, items.map((item) => this.#stagedRow(item))),
      this.form.element,
      this.estimate.element,
      h(
        "div.row.end",
        {},
        h("button", { type: "button", onclick: () => this.#clear() }, t("clear")),
        h("button.primary", { type: "button", disabled: !good.length, onclick: () => this.#send() }, t("send", { n: good.length })),
      ),
    );
    this.#estimate();
  }

  #estimate() {
    const { model, priority_class } = submission.values ?? {};
    const options = Object.fromEntries(Object.entries({ model, priority_class }).filter(([, value]) => value));
    this.estimate.show(submission.items.filter((item) => !item.fault).map((item) => item.file), options);
  }

  #stagedRow(item) {
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
    this.input.focus();
  }

  #send() {
    const options = this.form.read();
    if (!options) return;
    uploads.removeSent();
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
      this.fading = setTimeout(() => ((this.fading = 0), uploads.removeSent()), SENT_SHOWN_MS);
    }
    refill(this.sending, h("p.head", {}, title), h("ul.files", {}, shown.slice(0, MAX_SHOWN).map(sendingRow)));
  }
}

function sendingRow(item) {
  const { name } = item.file;
  const share = percent(item.sent / Math.max(1, item.file.size));
  const bar = () => h("progress", { max: Math.max(1, item.file.size), value: item.sent, "aria-label": name });
  const progress = {
    sending: () => [bar(), h("span.dim.share", {}, share)],
    paused: () => [bar(), h("span.dim", {}, t("pausedAt", { share }))],
    retrying: () => h("span.dim", {}, t(item.disconnected ? "connectionLost" : "sendAgainIn", { s: item.retryInS, share })),
    failed: () => h("span.fault", {}, icon("warning"), t("notSent", { why: item.why })),
  };
  const button = (part, label, symbol, act) => h("button.bare", { type: "button", "aria-label": t(label, { name }), data: { part: `${part}-${name}` }, onclick: () => act(item) }, icon(symbol));
  return h(
    `li${item.state === "failed" ? ".faulty" : ""}`,
    {},
    h("span.name", {}, name),
    progress[item.state](),
    item.state === "failed" && button("retry", "sendAgain", "retry", (each) => uploads.resume(each)),
    (item.state === "sending" || item.state === "retrying") && button("pause", "pauseSending", "pause", (each) => uploads.pause(each)),
    item.state === "paused" && button("pause", "resumeSending", "play", (each) => uploads.resume(each)),
    button("stop", "stopSending", "close", (each) => uploads.stop(each)),
  );
}
