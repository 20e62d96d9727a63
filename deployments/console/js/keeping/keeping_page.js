// The page of what is kept and deleted: audit log, legal holds, receipts, exports; each only for who may.

import { account } from "../lib/account.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { AuditView } from "./audit_view.js";
import { ExportView } from "./export_view.js";
import { HoldsView } from "./holds_view.js";
import { ReceiptsView } from "./receipts_view.js";

const SECTIONS = {
  audit: { scope: "admin", View: AuditView },
  holds: { scope: "jobs:read", View: HoldsView },
  receipts: { scope: "jobs:read", View: ReceiptsView },
  export: { scope: "jobs:read", View: ExportView },
};

/** List the sections that the user may see, the first of them the one that is shown when none is named. */
export const sectionsFor = (who) => Object.keys(SECTIONS).filter((name) => who.may(SECTIONS[name].scope));

export class KeepingPage {
  /** `section` and `query` are what stands in the address: a section's name and its filters. */
  constructor(section = "", query = "") {
    const open = sectionsFor(account);
    this.section = section || open[0];
    const isOpen = open.includes(this.section);
    this.title = isOpen ? t(`keeping_${this.section}`) : t("keeping");
    const link = (name) => h("a", { href: `#/keeping/${name}`, "aria-current": name === this.section ? "page" : null }, t(`keeping_${name}`));
    this.view = isOpen ? new SECTIONS[this.section].View(new URLSearchParams(query)) : null;
    this.element = h(
      "div.page.keeping",
      {},
      h("h1", { tabindex: "-1" }, this.title),
      h("nav.sections", { "aria-label": t("keeping") }, open.map(link)),
      this.view?.element ?? h("p.say", {}, t("notAllowed")),
    );
  }

  close() {
    if (this.view) this.view.closed = true;
  }
}
