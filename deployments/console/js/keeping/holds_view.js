// Legal holds: what must not be deleted, who placed each and why; placed and released by administrators.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get, jobPath, requestJson } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { errorMessage, fullDateTime } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/toasts.js";
import { given, pairsOf } from "./pairs.js";
import { askReason } from "./reason_dialog.js";

const CONDITIONS = ["batch", "external_id"];

export class HoldsView {
  /** `query` may name a `job` or `batch` to hold, and say that `released` ones are shown, too. */
  constructor(query) {
    this.released = query.get("released") === "true";
    const show = (event) => (location.hash = event.target.value ? "#/keeping/holds/released=true" : "#/keeping/holds");
    const option = (value, text) => h("option", { value, selected: Boolean(value) === this.released }, text);
    this.list = h("ul.kept");
    this.status = h("div.say");
    this.element = h(
      "div.section",
      {},
      h("p.dim", {}, t("holdsHint")),
      account.may("admin") && this.#placing(query),
      h("div.filters", {}, h("label", {}, h("span", {}, t("show")), h("select", { onchange: show }, option("", t("holdsActive")), option("all", t("holdsAll"))))),
      this.list,
      this.status,
    );
    this.#load();
  }

  /** Build the form that places a hold: on one job, or by conditions. */
  #placing(query) {
    const field = (name, label, { type = "text", value = "", ...more } = {}) => h("div.field", {}, h("label", { for: `hold-${name}` }, label), h("input", { id: `hold-${name}`, name, type, value, ...more }));
    const one = h("div.options", {}, field("job", t("object_job"), { value: query.get("job") ?? "", maxlength: 64, required: true }));
    const many = h(
      "div.options",
      { hidden: true },
      CONDITIONS.map((name) => field(name, t(`hold_${name}`), { value: query.get(name) ?? "", maxlength: 255 })),
      h("div.field", {}, h("label", { for: "hold-metadata" }, t("hold_metadata")), h("textarea", { id: "hold-metadata", name: "metadata", rows: 2, "aria-describedby": "pairs-hint" }), h("small.dim", { id: "pairs-hint" }, t("pairsHint"))),
    );
    const choose = (event) => {
      const isOne = event.target.value === "one";
      [one.hidden, many.hidden] = [!isOne, isOne];
      one.querySelector("input").required = isOne;
    };
    const byBatch = Boolean(query.get("batch"));
    const kind = h("select", { id: "hold-of", name: "of", onchange: choose }, h("option", { value: "one" }, t("holdOne")), h("option", { value: "many", selected: byBatch }, t("holdMany")));
    const form = h(
      "form.stack",
      { onsubmit: (event) => event.preventDefault() },
      h("div.field", {}, h("label", { for: "hold-of" }, t("holdOf")), kind),
      one,
      many,
      h("div.options", {}, field("name", t("holdName"), { maxlength: 200 }), field("reason", t("holdReason"), { maxlength: 500, required: true })),
      h("div.row", {}, actionButton("button.primary", { type: "submit", key: "place-hold", run: () => this.#place(form, kind.value === "one") }, icon("lock"), t("placeHold"))),
    );
    if (byBatch) choose({ target: kind });
    return h("details.card", { open: query.has("job") || query.has("batch") }, h("summary", {}, h("h2", {}, t("placeHold"))), form);
  }

  async #place(form, isOne) {
    if (!form.reportValidity()) return;
    const value = (name) => form.elements[name].value.trim();
    const why = given({ name: value("name"), reason: value("reason") });
    const conditions = given({ batch: value("batch"), external_id: value("external_id"), metadata: pairsOf(value("metadata")) });
    if (isOne) await requestJson(jobPath(value("job"), "hold"), { method: "PUT", json: why });
    else await requestJson("/v1/holds", { method: "POST", json: { ...conditions, ...why } });
    if (this.closed) return;
    form.reset();
    form.elements.of.dispatchEvent(new Event("change"));
    form.closest("details").open = false;
    toast(t("holdPlaced"));
    await this.#load();
    this.list.querySelector("li")?.focus();
  }

  async #load() {
    if (!this.list.childElementCount) fill(this.status, h("span.dim", {}, t("loading")));
    try {
      const { holds } = await get(`/v1/holds${this.released ? "?released=true" : ""}`);
      if (this.closed) return;
      fill(this.list, holds.map((hold) => this.#row(hold)));
      fill(this.status, !holds.length && h("p", {}, t("holdsNone")));
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.status, h("p", {}, icon("warning"), errorMessage(error)));
    }
  }

  #row(hold) {
    const title = hold.name || hold.reason;
    const by = (who, at) => [who && h("code", {}, who), h("time", { datetime: at }, fullDateTime(at))];
    return h(
      "li",
      { tabindex: "-1", data: { id: hold.id } },
      h("div.row.between", {}, h("h2", {}, title), h(`span.state.${hold.active ? "held" : "cancelled"}`, {}, icon(hold.active ? "lock" : "undo"), h("span", {}, t(hold.active ? "holdActive" : "holdReleased")))),
      h("p.meta", {}, scopeOf(hold)),
      hold.name && h("p.passage", {}, hold.reason),
      h("p.meta", {}, t("placed"), by(hold.placed_by, hold.placed_at)),
      !hold.active && h("p.meta", {}, t("released"), by(hold.released_by, hold.released_at), hold.release_reason && h("span", {}, hold.release_reason)),
      hold.active && account.may("admin") && h("div.row", {}, actionButton("button", { key: `release-${hold.id}`, run: () => this.#release(hold, title), "aria-label": t("releaseHold", { name: title }) }, icon("undo"), t("release"))),
    );
  }

  async #release(hold, name) {
    const reason = await askReason(t("releaseHold", { name }), t("releaseHint"), t("release"));
    if (reason === null) return;
    await requestJson(`/v1/holds/${encodeURIComponent(hold.id)}?${new URLSearchParams({ reason })}`, { method: "DELETE" });
    if (this.closed) return;
    toast(t("holdEnded"));
    await this.#load();
    this.element.querySelector(".filters select").focus();
  }
}

/** Describe the jobs that a hold takes. */
function scopeOf(hold) {
  const link = (href, id) => h("a", { href }, h("code", {}, id));
  return [
    hold.job && h("span", {}, `${t("object_job")} `, link(`#/jobs/${encodeURIComponent(hold.job)}`, hold.job)),
    hold.batch && h("span", {}, `${t("object_batch")} `, link(`#/batches/${encodeURIComponent(hold.batch)}`, hold.batch)),
    hold.external_id && h("span", {}, `${t("hold_external_id")} `, h("code", {}, hold.external_id)),
    hold.metadata.map((pair) => h("code", {}, pair)),
  ];
}
