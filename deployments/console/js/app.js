// Starts the console: the bar above, the page that the address names, sign-in where it is needed.

import { signedOut } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { feed } from "./feed.js";
import { BatchesPage } from "./batches_page.js";
import { ClusterPage } from "./cluster_page.js";
import { JobPage } from "./job_page.js";
import { JobsPage } from "./jobs_page.js";
import { admitted, SignInPage } from "./signin_page.js";
import { session, tastes } from "./session.js";
import { language, setLanguage, t } from "./words.js";

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
  const [, section = "", id = ""] = location.hash.split("/");
  if (section === "jobs" && id) show(new JobPage(decodeURIComponent(id)));
  else if (section === "batches") show(new BatchesPage(decodeURIComponent(id)));
  else if (section === "cluster") show(new ClusterPage());
  else if (section === "") show(new JobsPage());
  else show({ element: h("div.page.say", {}, h("h1", { tabindex: "-1" }, t("notThere")), h("a", { href: "#/" }, t("toJobs"))), title: t("notThere"), close() {} });
}

/** A new page takes the focus, so that a screen reader begins there. */
function routed() {
  route();
  (main.querySelector("h1") ?? main).focus({ preventScroll: true });
}

function askForKey(why) {
  if (signingIn) return;
  signingIn = true;
  feed.stop();
  show(new SignInPage(enter, why));
  main.querySelector("input").focus();
}

function enter() {
  signingIn = false;
  feed.start();
  routed();
}

function drawBar() {
  const section = ["cluster", "batches"].find((name) => location.hash.startsWith(`#/${name}`)) ?? "jobs";
  const link = (name, href) => h("a", { href, "aria-current": !signingIn && section === name ? "page" : null }, t(name));
  const theme = tastes.get("theme", "auto");
  const themeLabel = t("theme", { name: t(`theme_${theme}`) });
  const other = language() === "zh" ? "en" : "zh";
  fill(
    bar,
    h("a.brand", { href: "#/" }, h("img", { src: "/console/icon.svg", alt: "MeetMemo", width: 22, height: 22 }), h("span", { "aria-hidden": "true" }, "MeetMemo")),
    h("nav", { "aria-label": t("navigation") }, !signingIn && [link("jobs", "#/"), link("batches", "#/batches"), link("cluster", "#/cluster"), h("a", { href: "/docs" }, t("apiDocs"))]),
    h("span.offline", { role: "status", hidden: feed.connected || signingIn || !feed.started }, t("offline")),
    h("button.bare", { type: "button", lang: other === "zh" ? "zh-CN" : "en", data: { part: "language" }, onclick: () => (setLanguage(other), again("language")) }, t("otherLanguage")),
    h("button.bare", { type: "button", "aria-label": themeLabel, title: themeLabel, data: { part: "theme" }, onclick: nextTheme }, icon(THEME_ICONS[theme])),
    session.key && h("button.bare", { type: "button", "aria-label": t("signOut"), title: t("signOut"), onclick: leave }, icon("leave")),
  );
  const skip = document.querySelector(".skip");
  skip.textContent = t("skip");
  skip.onclick = (event) => (event.preventDefault(), main.focus());
}

function again(part) {
  if (signingIn) {
    signingIn = false;
    askForKey("");
  } else route();
  bar.querySelector(`[data-part="${part}"]`)?.focus();
}

function nextTheme() {
  const next = THEMES[(THEMES.indexOf(tastes.get("theme", "auto")) + 1) % THEMES.length];
  tastes.set("theme", next);
  applyTheme();
  drawBar();
  bar.querySelector('[data-part="theme"]').focus();
}

function applyTheme() {
  const theme = tastes.get("theme", "auto");
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function leave() {
  session.key = "";
  askForKey("");
}

applyTheme();
drawBar();
addEventListener("hashchange", routed);
feed.addEventListener("connection", () => {
  feed.started = true;
  drawBar();
});
signedOut.addEventListener("signedout", () => {
  const had = session.key;
  session.key = "";
  askForKey(had ? t("signedOutNow") : "");
});
if (await admitted()) enter();
