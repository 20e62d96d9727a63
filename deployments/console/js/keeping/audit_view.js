// The audit log: who did what, by filters and pages; and whether the log is whole.

import { actionButton } from "../lib/actions.js";
import { get } from "../lib/api.js";
import { add, fill, h, icon } from "../lib/dom.js";
import { errorMessage, fullDateTime, number } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { auditQuery, knownHead } from "./audit_query.js";

const PAGE_SIZE = 100;
const ACTIONS = ["read", "search", "correct", "export", "erase", "delete_audio", "redo", "hold", "release", "enrol_voice", "delete_voice", "create_key", "revoke_key", "end_session", "read_audit"];
const PLACES = { job: (id) => `#/jobs/${encodeURIComponent(id)}`, hold: () => "#/keeping/holds/released=true", batch: (id) => `#/batches/${encodeURIComponent(id)}` };

export class AuditView {
  constructor(given) {
    const field = (name, type) => h("label", {}, h("span", {}, t(`audit_${name}`)), h("input", { type, name, maxlength: type === "text" ? 255 : null, value: given.get(name) ?? "" }));
    const option = (value, text) => h("option", { value, selected: (given.get("action") ?? "") === value }, text);
    this.form = h(
      "form.filters",
      { onsubmit: (event) => (event.preventDefault(), this.#ask()) },
      h("label", {}, h("span", {}, t("audit_action")), h("select", { name: "action" }, option("", t("anyReason")), ACTIONS.map((action) => option(action, t(`deed_${action}`))))),
      field("actor", "text"),
      field("object", "text"),
      field("from", "date"),
      field("to", "date"),
      h("button", { type: "submit" }, icon("search"), t("filter")),
    );
    this.rows = h("tbody");
    const head = ["#", t("when"), t("audit_actor"), t("audit_action"), t("audit_object"), t("details")];
    const table = h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), this.rows);
    this.more = h("div.say");
    this.element = h("div.section", {}, h("p.dim", {}, t("auditHint")), this.#checker(), this.form, h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": t("keeping_audit") }, table), this.more);
    this.#read(`?${auditQuery(given)}`);
  }

  /** Build the card that has the chain checked, against what was noted earlier where that is given. */
  #checker() {
    const known = h("input", { type: "text", name: "known", autocomplete: "off", spellcheck: "false", "aria-describedby": "known-hint" });
    const outcome = h("div", { role: "status" });
    const run = async () => {
      const head = knownHead(known.value);
      if (known.value.trim() && !head) return fill(outcome, h("p.fault", {}, icon("warning"), t("knownWrong")));
      const found = await get(`/v1/audit/check${head ? `?${new URLSearchParams(head)}` : ""}`);
      if (!this.closed) fill(outcome, checked(found));
    };
    return h(
      "div.card",
      {},
      h("div.row", {}, actionButton("button.primary", { key: "check-audit", run }, icon("check"), t("checkLog")), h("label.grow", {}, h("span", {}, t("knownHead")), known)),
      h("p.dim", { id: "known-hint" }, t("knownHint")),
      outcome,
    );
  }

  /** Put the filters into the address, which shows their entries, also when it is opened again. */
  #ask() {
    const query = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value.trim()));
    const hash = query.size ? `#/keeping/audit/${encodeURIComponent(query)}` : "#/keeping/audit";
    if (location.hash !== hash) location.hash = hash;
    else this.#read(`?${auditQuery(query)}`, { anew: true });
  }

  async #read(query, { anew = false } = {}) {
    if (anew) fill(this.rows);
    fill(this.more, h("span.dim", {}, t("loading")));
    const limit = query.includes("limit=") ? "" : `&limit=${PAGE_SIZE}`;
    try {
      const page = await get(`/v1/audit${query}${limit}`);
      if (!this.closed) this.#draw(page);
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.more, h("p", {}, icon("warning"), errorMessage(error)));
    }
  }

  #draw(page) {
    const first = this.rows.childElementCount;
    add(this.rows, page.entries.map(entryRow));
    if (first) focusOn(this.rows.children[first]);
    const next = page.next && page.next.slice(page.next.indexOf("?"));
    fill(this.more, next ? actionButton("button", { key: "more-audit", run: () => this.#read(next) }, t("earlier")) : !this.rows.childElementCount && h("p", {}, t("auditNone")));
  }
}

function entryRow(entry) {
  const place = PLACES[entry.kind]?.(entry.object);
  const object = h("code", {}, entry.object);
  const details = Object.entries(entry.detail).map(([name, value]) => `${name} ${value}`);
  if (entry.times > 1) details.unshift(t("timesOver", { n: entry.times }));
  return h(
    "tr",
    {},
    h("td.n", {}, number(entry.seq, 0)),
    h("td.when", {}, h("time", { datetime: entry.at }, fullDateTime(entry.at))),
    h("td", {}, entry.actor ? h("code", {}, entry.actor) : h("span.dim", {}, t("nobodyAsked"))),
    h("td", {}, tEnum("deed", entry.action)),
    h("td", {}, `${tEnum("object", entry.kind)} `, place ? h("a", { href: place }, object) : object),
    h("td.dim", {}, details.join(" · ")),
  );
}

/** Describe the outcome of a check, with the head to note. */
function checked(found) {
  const head = `${found.seq}:${found.digest}`;
  return found.whole
    ? [h("p.good", {}, icon("check"), t("logWhole", { n: found.entries }), found.removed > 0 && h("span.dim", {}, t("logRemoved", { n: found.removed }))), h("p", {}, h("span.dim", {}, t("noteHead")), " ", h("code", {}, head))]
    : h("p.fault", {}, icon("warning"), t("logBroken", { fault: found.fault }));
}

function focusOn(row) {
  row?.setAttribute("tabindex", "-1");
  row?.focus();
}
