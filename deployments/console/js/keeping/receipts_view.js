// Receipts of deletions: what is gone, when and why; verified here, downloaded, and of a file that somebody kept.

import { actionButton } from "../lib/actions.js";
import { get } from "../lib/api.js";
import { add, fill, h, icon } from "../lib/dom.js";
import { errorMessage, fullDateTime, number, size } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { save } from "../lib/save.js";
import { verifyReceipt } from "./receipt_check.js";

const PAGE_SIZE = 50;
const GOOD = ["signed", "trusted"];

export class ReceiptsView {
  constructor(given) {
    this.object = h("input", { type: "text", name: "object", maxlength: 64, value: given.get("object") ?? "" });
    const ask = (event) => {
      event.preventDefault();
      const object = this.object.value.trim();
      location.hash = object ? `#/keeping/receipts/${encodeURIComponent(new URLSearchParams({ object }))}` : "#/keeping/receipts";
    };
    this.list = h("ul.kept");
    this.more = h("div.say");
    this.element = h(
      "div.section",
      {},
      h("p.dim", {}, t("receiptsHint")),
      this.#verifier(),
      h("form.filters", { onsubmit: ask }, h("label", {}, h("span", {}, t("receiptOf")), this.object), h("button", { type: "submit" }, icon("search"), t("filter"))),
      this.list,
      this.more,
    );
    const object = given.get("object");
    this.#read(`?${new URLSearchParams({ limit: PAGE_SIZE, ...(object && { object }) })}`);
  }

  /** Build the card with the key that is to have signed, and the choice of a file to verify. */
  #verifier() {
    this.key = h("input", { type: "text", name: "public-key", autocomplete: "off", spellcheck: "false", "aria-describedby": "key-hint" });
    const outcome = h("div", { role: "status" });
    const file = h("input.visually-hidden", { type: "file", id: "receipt-file", accept: ".json,application/json" });
    const read = async () => {
      const [chosen] = file.files;
      file.value = "";
      if (!chosen) return;
      const found = await verifyReceipt(await receiptIn(chosen), this.key.value);
      if (!this.closed) fill(outcome, verdict(found, chosen.name));
    };
    file.addEventListener("change", read);
    return h(
      "div.card",
      {},
      h("div.row", {}, h("span.chooser", {}, file, h("label.button", { for: "receipt-file" }, icon("check"), t("verifyFile"))), h("label.grow", {}, h("span", {}, t("expectedKey")), this.key)),
      h("p.dim", { id: "key-hint" }, t("expectedKeyHint")),
      outcome,
    );
  }

  async #read(query) {
    fill(this.more, h("span.dim", {}, t("loading")));
    try {
      const page = await get(`/v1/receipts${query}`);
      if (!this.closed) this.#draw(page);
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.more, h("p", {}, icon("warning"), errorMessage(error)));
    }
  }

  #draw(page) {
    const first = this.list.childElementCount;
    add(this.list, page.receipts.map((receipt) => this.#row(receipt)));
    if (first) this.list.children[first]?.focus();
    const next = page.next && page.next.slice(page.next.indexOf("?"));
    fill(this.more, next ? actionButton("button", { key: "more-receipts", run: () => this.#read(next) }, t("earlier")) : !this.list.childElementCount && h("p", {}, t("receiptsNone")));
  }

  #row(receipt) {
    const name = `${tEnum("object", receipt.kind)} ${receipt.object_id}`;
    const outcome = h("div", { role: "status" });
    const verify = async () => fill(outcome, verdict(await verifyReceipt(receipt, this.key.value)));
    const download = () => save(new Blob([JSON.stringify(receipt, null, 1)], { type: "application/json" }), `receipt-${receipt.id}.json`);
    const total = receipt.blobs.reduce((sum, blob) => sum + blob.n_bytes, 0);
    const key = (action) => `${action}-receipt-${receipt.id}`;
    return h(
      "li",
      { tabindex: "-1", data: { id: receipt.id } },
      h("div.row.between", {}, h("h2", {}, `${tEnum("object", receipt.kind)} `, h("code", {}, receipt.object_id)), h(`span.state.${receipt.gone ? "succeeded" : "failed"}`, {}, icon(receipt.gone ? "check" : "warning"), h("span", {}, t(receipt.gone ? "isGone" : "isNotGone")))),
      h("p.meta", {}, h("time", { datetime: receipt.deleted_at }, fullDateTime(receipt.deleted_at)), h("span", {}, tEnum("cause", receipt.cause)), receipt.actor && h("code", {}, receipt.actor), h("span", {}, t("blobsOf", { n: receipt.blobs.length, size: size(total) })), h("span", {}, t(receipt.signature ? "isSigned" : "isUnsigned"))),
      receipt.blobs.length > 0 && h("details", {}, h("summary", {}, t("deletedBlobs")), blobTable(receipt)),
      h("div.row", {}, actionButton("button", { key: key("verify"), run: verify, "aria-label": `${t("verify")}: ${name}` }, icon("check"), t("verify")), actionButton("button", { key: key("save"), run: download, "aria-label": `${t("saveReceipt")}: ${name}` }, icon("download"), t("saveReceipt"))),
      outcome,
    );
  }
}

function blobTable(receipt) {
  const head = [t("blobKey"), t("size"), "SHA-256"];
  const row = (blob) => h("tr", {}, h("td", {}, h("code", {}, blob.key)), h("td.n", {}, number(blob.n_bytes, 0)), h("td", {}, h("code", {}, blob.sha256)));
  return h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": t("deletedBlobs") }, h("table", {}, h("thead", {}, h("tr", {}, head.map((label) => h("th", { scope: "col" }, label)))), h("tbody", {}, receipt.blobs.map(row))));
}

/** Describe the outcome of a verification, of a file where it has a name. */
function verdict({ outcome, key }, name = "") {
  const good = GOOD.includes(outcome);
  return [h(good ? "p.good" : "p.fault", {}, icon(good ? "check" : "warning"), `${name ? `${name}: ` : ""}${t(`verdict_${outcome}`)}`), key && h("p", {}, h("span.dim", {}, t("signedBy")), " ", h("code", {}, key))];
}

/** Read a receipt from a file, or from the answer to a deletion that holds one; null for anything else. */
async function receiptIn(file) {
  try {
    const written = JSON.parse(await file.text());
    return written.receipt ?? written;
  } catch {
    return null;
  }
}
