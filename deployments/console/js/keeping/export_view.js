// The export of a person's data: all jobs of an external id, of a voice, or with metadata, as one ZIP.

import { actionButton } from "../lib/actions.js";
import { download, get } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { toast } from "../lib/toasts.js";
import { given, pairsOf } from "./pairs.js";

export class ExportView {
  constructor(query) {
    const field = (name, control) => h("div.field", {}, h("label", { for: `export-${name}` }, t(`export_${name}`)), control);
    const voices = h("select", { id: "export-voice", name: "voice" }, h("option", { value: "" }, t("noVoice")));
    this.form = h(
      "form.stack.card",
      { onsubmit: (event) => event.preventDefault() },
      h(
        "div.options",
        {},
        field("external_id", h("input", { id: "export-external_id", name: "external_id", type: "text", maxlength: 255, value: query.get("external_id") ?? "" })),
        field("voice", voices),
        h("div.field", {}, h("label", { for: "export-metadata" }, t("export_metadata")), h("textarea", { id: "export-metadata", name: "metadata", rows: 2, "aria-describedby": "pairs-hint" }), h("small.dim", { id: "pairs-hint" }, t("pairsHint"))),
      ),
      h("div.row", {}, actionButton("button.primary", { type: "submit", key: "export", run: () => this.#export() }, icon("download"), t("exportNow"))),
    );
    this.element = h("div.section", {}, h("p.dim", {}, t("exportHint")), this.form);
    this.#readVoices(voices, query.get("voice") ?? "");
  }

  async #readVoices(select, chosen) {
    const found = await get("/v1/voices").catch(() => ({ voices: [] }));
    if (this.closed) return;
    fill(select, h("option", { value: "" }, t("noVoice")), found.voices.map(({ id, name }) => h("option", { value: id, selected: id === chosen }, name)));
  }

  async #export() {
    const value = (name) => this.form.elements[name].value.trim();
    const wanted = given({ external_id: value("external_id"), voice: value("voice"), metadata: pairsOf(value("metadata")) });
    await download("/v1/exports", "export.zip", { method: "POST", json: wanted });
    toast(t("exported"));
  }
}
