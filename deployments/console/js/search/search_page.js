// The page of search: what was said in any transcript or stands in any minutes; a hit leads to its second in the player.

import { actionButton } from "../lib/actions.js";
import { get } from "../lib/api.js";
import { add, fill, h, icon } from "../lib/dom.js";
import { clock, errorMessage, languageName, shortDateTime } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";

const PAGE_SIZE = 50;

export class SearchPage {
  title = t("searchTitle");

  /** `query` is what stands in the address: parameters of the API's search. */
  constructor(query = "") {
    const given = new URLSearchParams(query);
    const choice = (name, label, options) =>
      h("label", {}, h("span", {}, label), h("select", { name, "aria-label": label }, Object.entries(options).map(([value, text]) => h("option", { value, selected: (given.get(name) ?? "") === value }, text))));
    const within = Object.fromEntries(["", "transcripts", "minutes"].map((value) => [value, t(`within_${value}`)]));
    const sort = Object.fromEntries(["", "newest"].map((value) => [value, t(`sort_${value}`)]));
    this.words = h("input", { type: "search", name: "q", required: true, maxlength: 400, value: given.get("q") ?? "", "aria-label": t("searchAll"), placeholder: t("searchAll"), "aria-describedby": "search-hint" });
    this.form = h(
      "form.searching",
      { role: "search", onsubmit: (event) => (event.preventDefault(), this.#ask()) },
      h("div.search", {}, icon("search"), this.words, h("button.primary", { type: "submit" }, t("searchTitle"))),
      h("p.dim", { id: "search-hint" }, t("searchHint")),
      h("div.filters", {}, h("label", {}, h("span", {}, t("saidBy")), h("input", { type: "text", name: "speaker", maxlength: 255, value: given.get("speaker") ?? "" })), choice("within", t("within"), within), choice("sort", t("sort"), sort)),
    );
    this.status = h("p.found", { role: "status" });
    this.hits = h("ol.hits");
    this.more = h("div.say");
    this.element = h("div.page.searchpage", {}, h("h1", { tabindex: "-1" }, t("searchTitle")), this.form, this.status, this.hits, this.more);
    if (given.get("q")) this.#read(`?${query}`);
  }

  close() {
    this.closed = true;
  }

  /** Put the question into the address, which shows its answer, also when it is opened again. */
  #ask() {
    const query = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value.trim()));
    const hash = `#/search/${encodeURIComponent(query)}`;
    if (location.hash === hash) this.#read(`?${query}`);
    else location.hash = hash;
  }

  async #read(query, { follows = false } = {}) {
    if (!follows) fill(this.hits);
    fill(this.more, h("span.dim", {}, t("loading")));
    const limit = query.includes("limit=") ? "" : `&limit=${PAGE_SIZE}`;
    try {
      const page = await get(`/v1/search${query}${limit}`);
      if (this.closed) return;
      this.#draw(page);
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.more, h("p", {}, icon("warning"), errorMessage(error)));
    }
  }

  #draw(page) {
    const count = page.total ? t(page.more ? "hitsMany" : "hitsFound", { n: page.total }) : t("hitsNone");
    this.status.textContent = page.pending ? `${count} ${t("hitsPending", { n: page.pending })}` : count;
    const first = this.hits.childElementCount;
    add(this.hits, page.hits.map(hitRow));
    if (first) this.hits.children[first]?.querySelector("a").focus();
    const next = page.next && page.next.slice(page.next.indexOf("?"));
    fill(this.more, next && actionButton("button", { key: "more-hits", run: () => this.#read(next, { follows: true }) }, t("hitsNext")));
  }
}

function hitRow(hit) {
  const place = `#/jobs/${encodeURIComponent(hit.job_id)}/${hit.start_s}`;
  const facts = [hit.kind !== "speech" && tEnum("kind", hit.kind), hit.speaker, languageName(hit.language), shortDateTime(hit.created_at)];
  return h(
    "li.hit",
    {},
    h("a", { href: place }, h("span.clock", {}, clock(hit.start_s)), " ", hit.filename),
    h("p.meta", {}, facts.filter(Boolean).map((text) => h("span", {}, text))),
    h("p.passage", { lang: hit.language || null, dir: "auto" }, hit.text.map((part) => (part.match ? h("mark", {}, part.text) : part.text))),
  );
}
