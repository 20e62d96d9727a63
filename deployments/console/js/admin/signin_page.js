// The sign-in page: at the identity provider where the server has one, or by an API key, which is kept in this tab only.

import { runOnce } from "../lib/actions.js";
import { get, here, request } from "../lib/api.js";
import { fill, h, icon, refill } from "../lib/dom.js";
import { errorMessage } from "../lib/format.js";
import { MESSAGES, t } from "../lib/i18n.js";
import { session } from "../lib/session.js";

/** The section of the address that the server leads to when a sign-in at the provider ended in nothing. */
export const SIGN_IN_FAULT = "sign-in";

export class SignInPage {
  title = t("signIn");

  /** `onSignedIn` is called once a key is accepted; `why` is shown as an error, `reason` is that of a sign-in that failed. */
  constructor(onSignedIn, why = "", reason = "") {
    this.onSignedIn = onSignedIn;
    this.reason = reason;
    this.input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "why" });
    this.fault = h("p.fault", { role: "alert" }, why);
    this.provider = h("div.provider");
    this.why = h("p.dim", { id: "why" }, t("signInWhy"));
    this.button = h("button.primary", { type: "submit", data: { action: "sign-in" } }, t("signIn"));
    this.element = h(
      "div.page.signin",
      {},
      h(
        "form",
        { onsubmit: (event) => (event.preventDefault(), runOnce("sign-in", () => this.#signIn())) },
        h("h1", { tabindex: "-1" }, t("signIn")),
        this.provider,
        this.why,
        h("label", { for: "key" }, t("apiKey")),
        this.input,
        this.fault,
        this.button,
      ),
    );
    this.ready = this.#offerProvider();
  }

  close() {
    this.closed = true;
  }

  /** Offer the identity provider where there is one, and say why the last sign-in there failed. */
  async #offerProvider() {
    let methods;
    try {
      methods = await get("/auth/methods");
    } catch {
      return; // a key will do
    }
    if (this.closed || !methods.provider) return;
    this.why.textContent = t("signInOrKey");
    this.button.textContent = t("signInByKey");
    this.button.classList.remove("primary");
    const go = () => location.assign(here(`/auth/login?to=${encodeURIComponent(placeToReturnTo())}`));
    const label = t("signInAt", { name: methods.provider });
    refill(this.provider, h("button.primary", { type: "button", data: { action: "provider" }, onclick: go }, label));
    if (this.reason) fill(this.fault, icon("warning"), this.reason === "sign_in_refused" ? methods.refusal : faultOf(this.reason));
    this.provider.querySelector("button").focus();
  }

  async #signIn() {
    session.key = this.input.value.trim();
    try {
      await request("/v1/jobs?limit=1");
      await this.onSignedIn();
    } catch (error) {
      session.key = "";
      fill(this.fault, icon("warning"), error.status === 401 ? t("keyRefused") : errorMessage(error));
      this.input.select();
    }
  }
}

const faultOf = (reason) => t(`fault_${reason}` in MESSAGES ? `fault_${reason}` : "fault_sign_in_failed");

/** The page of the console that is to be shown after the sign-in. */
function placeToReturnTo() {
  const place = location.hash.slice(1) || "/";
  return place.startsWith(`/${SIGN_IN_FAULT}/`) ? "/" : place;
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
