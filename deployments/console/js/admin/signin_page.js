// The sign-in page, shown where the server requires an API key; the key is kept in this tab only.

import { runOnce } from "../lib/actions.js";
import { get, request } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { errorMessage } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { session } from "../lib/session.js";

export class SignInPage {
  title = t("signIn");

  /** `onSignedIn` is called once a key is accepted; `why` is shown as an error. */
  constructor(onSignedIn, why = "") {
    this.onSignedIn = onSignedIn;
    this.input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "why" });
    this.fault = h("p.fault", { role: "alert" }, why);
    this.element = h(
      "div.page.signin",
      {},
      h(
        "form",
        { onsubmit: (event) => (event.preventDefault(), runOnce("sign-in", () => this.#signIn())) },
        h("h1", { tabindex: "-1" }, t("signIn")),
        h("p.dim", { id: "why" }, t("signInWhy")),
        h("label", { for: "key" }, t("apiKey")),
        this.input,
        this.fault,
        h("button.primary", { type: "submit", data: { action: "sign-in" } }, t("signIn")),
      ),
    );
  }

  close() {}

  async #signIn() {
    session.key = this.input.value.trim();
    try {
      await request("/v1/jobs?limit=1");
      this.onSignedIn();
    } catch (error) {
      session.key = "";
      fill(this.fault, icon("warning"), error.status === 401 ? t("keyRefused") : errorMessage(error));
      this.input.select();
    }
  }
}

/** Whether the server accepts this browser's requests; other errors than 401 are shown by the pages. */
export async function isAuthorized() {
  try {
    await get("/v1/jobs?limit=1");
    return true;
  } catch (error) {
    return error.status !== 401;
  }
}
