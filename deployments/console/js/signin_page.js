// Asks for an API key where the server wants one; it is kept in this tab only.

import { get, request } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { trouble } from "./format.js";
import { session } from "./session.js";
import { t } from "./words.js";

export class SignInPage {
  title = t("signIn");

  /** `done` is called once a key is accepted; `why` says what brought the reader here. */
  constructor(done, why = "") {
    this.done = done;
    this.input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "why" });
    this.fault = h("p.fault", { role: "alert" }, why);
    this.element = h(
      "div.page.signin",
      {},
      h(
        "form",
        { onsubmit: (event) => (event.preventDefault(), this.#try()) },
        h("h1", { tabindex: "-1" }, t("signIn")),
        h("p.dim", { id: "why" }, t("signInWhy")),
        h("label", { for: "key" }, t("apiKey")),
        this.input,
        this.fault,
        h("button.primary", { type: "submit" }, t("signIn")),
      ),
    );
  }

  close() {}

  async #try() {
    session.key = this.input.value.trim();
    try {
      await request("/v1/jobs?limit=1");
      this.done();
    } catch (error) {
      session.key = "";
      fill(this.fault, icon("warning"), error.status === 401 ? t("keyRefused") : trouble(error));
      this.input.select();
    }
  }
}

/** Whether the server lets this browser in. */
export async function admitted() {
  try {
    await get("/v1/jobs?limit=1");
    return true;
  } catch (error) {
    if (error.status === 401) return false;
    return true; // other troubles are told where they matter
  }
}
