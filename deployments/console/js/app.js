// The entry point: the bar above, the page of the URL's fragment, sign-in where it is required.

import { account } from "./lib/account.js";
import { here, signedOut } from "./lib/api.js";
import { fill, h, icon, refill } from "./lib/dom.js";
import { language, setLanguage, t } from "./lib/i18n.js";
import { preferences, session } from "./lib/session.js";
import { withErrorToast } from "./lib/toasts.js";
import { feed } from "./jobs/feed.js";
import { JobsPage } from "./jobs/jobs_page.js";
import { KeepingPage, sectionsFor } from "./keeping/keeping_page.js";
import { ReviewPage } from "./review/review_page.js";
import { SearchPage } from "./search/search_page.js";
import { JobPage } from "./transcript/job_page.js";
import { BatchesPage } from "./admin/batches_page.js";
import { ClusterPage } from "./admin/cluster_page.js";
import { isAuthorized, SIGN_IN_FAULT, SignInPage } from "./admin/signin_page.js";

const bar = document.getElementById("bar");
const main = document.getElementById("main");
const THEMES = ["auto", "light", "dark"];
const THEME_ICONS = { auto: "half", light: "sun", dark: "moon" };

let page = null;
let signingIn = false;

function show(next) {
  page?.close();
  page = next;
  fill(main, next.element);
  document.title = `${next.title} – MeetMemo`;
  drawBar();
}

function route() {
  if (signingIn) return;
  const [, section = "", id = "", place = ""] = location.hash.split("/");
  if (section === "jobs" && id) show(new JobPage(decodeURIComponent(id), Number(place) || 0));
  else if (section === "search") show(new SearchPage(decodeURIComponent(id)));
  else if (section === "review") show(new ReviewPage(decodeURIComponent(id)));
  else if (section === "batches") show(new BatchesPage(decodeURIComponent(id)));
  else if (section === "keeping") show(new KeepingPage(id, decodeURIComponent(place)));
  else if (section === "cluster") show(new ClusterPage());
  else if (section === "") show(new JobsPage());
  else show({ element: h("div.page.say", {}, h("h1", { tabindex: "-1" }, t("notThere")), h("a", { href: "#/" }, t("toJobs"))), title: t("notThere"), close() {} });
}

/** Show the page of the URL and focus its heading, where a screen reader begins. */
function navigate() {
  route();
  (main.querySelector("h1") ?? main).focus({ preventScroll: true });
}

/** Show the sign-in page; an address that the server led to holds the reason of a sign-in that failed. */
function showSignIn(why) {
  if (signingIn) return;
  signingIn = true;
  feed.stop();
  account.forget();
  const [, section, reason = ""] = location.hash.split("/");
  show(new SignInPage(start, why, section === SIGN_IN_FAULT ? reason : ""));
  main.querySelector("input").focus();
}

async function start() {
  await account.load();
  signingIn = false;
  feed.start();
  if (location.hash.startsWith(`#/${SIGN_IN_FAULT}/`)) history.replaceState(null, "", "#/");
  navigate();
}

function drawBar() {
  const section = ["cluster", "keeping", "batches", "review", "search"].find((name) => location.hash.startsWith(`#/${name}`)) ?? "jobs";
  const link = (name, href) => h("a", { href, "aria-current": !signingIn && section === name ? "page" : null }, t(name));
  const theme = preferences.get("theme", "auto");
  const themeLabel = t("theme", { name: t(`theme_${theme}`) });
  const other = language() === "zh" ? "en" : "zh";
  refill(
    bar,
    h("a.brand", { href: "#/" }, h("img", { src: here("/console/icon.svg"), alt: "MeetMemo", width: 22, height: 22 }), h("span", { "aria-hidden": "true" }, "MeetMemo")),
    h("nav", { "aria-label": t("navigation") }, !signingIn && [link("jobs", "#/"), link("search", "#/search"), link("review", "#/review"), link("batches", "#/batches"), sectionsFor(account).length > 0 && link("keeping", "#/keeping"), account.may("metrics") && link("cluster", "#/cluster"), h("a", { href: here("/docs") }, t("apiDocs"))]),
    h("span.offline", { role: "status", hidden: feed.connected || signingIn || !feed.started }, t("offline")),
    h("button.bare", { type: "button", lang: other === "zh" ? "zh-CN" : "en", data: { part: "language" }, onclick: () => (setLanguage(other), redrawPage()) }, t("otherLanguage")),
    h("button.bare", { type: "button", "aria-label": themeLabel, title: themeLabel, data: { part: "theme" }, onclick: nextTheme }, icon(THEME_ICONS[theme])),
    !signingIn && account.isPerson && whoIsIt(),
    (session.key || (account.isPerson && !signingIn)) && h("button.bare", { type: "button", "aria-label": t("signOut"), title: t("signOut"), onclick: signOut }, icon("leave")),
  );
  const skip = document.querySelector(".skip");
  skip.textContent = t("skip");
  skip.onclick = (event) => (event.preventDefault(), main.focus());
}

/** Build the name of the person who is signed in, and a choice of tenants where there are several. */
function whoIsIt() {
  const { name, role, tenant, tenants } = account.me;
  const title = t("signedInAs", { name, role: t(`role_${role}`) });
  const option = (each) => h("option", { value: each.tenant, selected: each.tenant === tenant }, `${each.tenant} (${t(`role_${each.role}`)})`);
  const choose = (event) => withErrorToast(() => workIn(event.target.value));
  return h(
    "span.who",
    { data: { part: "who" } },
    h("span.name", { title }, name),
    tenants.length > 1 && h("select", { "aria-label": t("tenant"), onchange: choose }, tenants.map(option)),
  );
}

/** Go on in another tenant: nothing of the one before stays on the page. */
async function workIn(tenant) {
  await account.switchTenant(tenant);
  feed.stop();
  feed.start();
  if (location.hash.split("/").length > 2) location.hash = "#/";
  else navigate();
}

function redrawPage() {
  if (!signingIn) return route();
  show(new SignInPage(start));
}

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(preferences.get("theme", "auto")) + 1) % THEMES.length];
  preferences.set("theme", next);
  applyTheme();
  drawBar();
}

function applyTheme() {
  const theme = preferences.get("theme", "auto");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

async function signOut() {
  if (session.key || !account.isPerson) {
    session.key = "";
    return showSignIn("");
  }
  await withErrorToast(async () => {
    const url = await account.signOut();
    if (url) location.assign(url);
    else showSignIn("");
  });
}

applyTheme();
drawBar();
addEventListener("hashchange", navigate);
feed.addEventListener("connection", drawBar);
signedOut.addEventListener("signedout", () => {
  const why = session.key ? t("signedOutNow") : account.isPerson ? t("sessionOver") : "";
  session.key = "";
  showSignIn(why);
});
if (await isAuthorized()) start();
