// Minutes with their evidence one click from the audio, and a mark that says whether code found it in the transcript.

import { jobPath, request } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { clock } from "./format.js";
import { notice } from "./notices.js";
import { isLive } from "./job_rows.js";
import { t } from "./words.js";

export class MinutesView extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.element = h("div.minutes");
  }

  /** Shows minutes, or says why there are none. */
  show(minutes) {
    if (!minutes) {
      const words = isLive(this.job) ? t("minutesLater") : this.job.detail || t("noMinutes");
      return void fill(this.element, h("p.dim", {}, words));
    }
    const who = minutes.writer === "extractive" ? t("byRules") : minutes.model || minutes.writer;
    fill(
      this.element,
      h("div.row.between", {}, h("h2", {}, minutes.title || t("minutes")), h("button", { type: "button", onclick: () => this.#copy() }, icon("copy"), t("copyMinutes"))),
      minutes.summary && h("p.summary", {}, minutes.summary),
      minutes.participants.length > 0 && h("p.dim", {}, `${t("participants")}: ${minutes.participants.join(", ")}`),
      this.#section(t("decisions"), minutes.decisions, (item) => [this.#claim(item, item.text)]),
      this.#section(t("actionItems"), minutes.action_items, (item) => [this.#claim(item, item.task), this.#whoAndWhen(item)]),
      this.#section(t("questions"), minutes.open_questions, (item) => [h("p", {}, item.text)]),
      this.#section(t("topics"), minutes.topics, (item) => [h("p", {}, h("strong", {}, item.title)), item.summary && h("p.dim", {}, item.summary)]),
      h("p.dim.by", {}, t("writtenBy", { who })),
    );
  }

  #section(title, items, body) {
    if (!items.length && title !== t("decisions") && title !== t("actionItems")) return null;
    const rows = items.map((item) => h("li", {}, body(item), this.#evidence(item.evidence)));
    return h("section", {}, h("h3", {}, title), items.length ? h("ul.claims", {}, rows) : h("p.dim", {}, t("nothingFound")));
  }

  #claim(item, text) {
    const [label, why, symbol] = item.verified ? [t("verified"), t("verifiedWhy"), "check"] : [t("unverified"), t("unverifiedWhy"), "warning"];
    const mark = h(`span.mark.${item.verified ? "verified" : "unverified"}`, { title: why }, icon(symbol), label);
    return h("p", {}, text, " ", mark);
  }

  #whoAndWhen(item) {
    const said = (value) => value ?? h("span.dim", {}, t("notSpoken"));
    return h("dl.facts.inline", {}, h("dt", {}, t("owner")), h("dd", {}, said(item.owner)), h("dt", {}, t("due")), h("dd", {}, said(item.due)));
  }

  #evidence(evidence) {
    if (evidence.start_s === null || evidence.start_s === undefined) return null;
    const time = clock(evidence.start_s);
    const cite = () => this.dispatchEvent(new CustomEvent("cite", { detail: evidence }));
    return h(
      "button.evidence",
      { type: "button", "aria-label": t("evidence", { time, quote: evidence.quote }), onclick: cite },
      icon("play"),
      h("span.at", {}, time),
      h("q", {}, evidence.quote),
    );
  }

  async #copy() {
    try {
      const answer = await request(jobPath(this.job.id, "results", "minutes.md"));
      await navigator.clipboard.writeText(await answer.text());
      notice(t("copied"));
    } catch {
      notice(t("cannotCopy"), "error");
    }
  }
}

/** Two or three panels of which one is seen; arrow keys change it (WAI-ARIA's tabs). */
export function tabs(label, panels) {
  const bar = h("div.tabs", { role: "tablist", "aria-label": label });
  const choose = (name, focus) => {
    for (const tab of bar.children) {
      const on = tab.dataset.name === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
    }
    for (const [other, panel] of Object.entries(panels)) panel.element.classList.toggle("off", other !== name);
  };
  const names = Object.keys(panels);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const shown = names.filter((name) => bar.querySelector(`[data-name="${name}"]`).offsetParent);
    if (!step || !shown.length) return;
    const at = shown.indexOf(event.target.dataset.name);
    choose(shown[(at + step + shown.length) % shown.length], true);
  });
  for (const [name, { label: words, element }] of Object.entries(panels)) {
    element.id = `panel-${name}`;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", `tab-${name}`);
    element.tabIndex = 0;
    add(bar, h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": element.id, data: { name }, onclick: () => choose(name) }, words));
  }
  return { bar, choose };
}
