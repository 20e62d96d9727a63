// Formats times, sizes and names in the chosen language.

import { language, locale, t } from "./i18n.js";

const pad = (n) => String(n).padStart(2, "0");

/** Format a position in a recording: 4:05, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** Format a duration in its two largest units. */
export function duration(seconds) {
  const unit = (value, name) => new Intl.NumberFormat(locale(), { style: "unit", unit: name, unitDisplay: "narrow" }).format(value);
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, "second");
  if (whole < 3600) return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
  const hours = Math.floor(whole / 3600);
  return `${unit(hours, "hour")} ${unit(Math.floor((whole % 3600) / 60), "minute")}`;
}

/** Format a number of bytes, in decimal units. */
export function size(bytes) {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes > 0 ? Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3)) : 0;
  const options = { style: "unit", unit: names[step], unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 };
  return new Intl.NumberFormat(locale(), options).format(bytes / 1000 ** step);
}

export const percent = (share) => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(share);

export const number = (value, digits = 1) => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);

/** Format a timestamp: the time of day, with the date unless that is today. */
export function shortDateTime(iso) {
  const date = new Date(iso);
  const today = new Date().toDateString() === date.toDateString();
  const time = { hour: "2-digit", minute: "2-digit" };
  const day = { day: "numeric", month: "short" };
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(locale(), today ? time : { ...year, ...day, ...time }).format(date);
}

export const fullDateTime = (iso) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));

let served = {}; // {en, zh} by code: browsers leave out the names of rare languages

/** Take the names of languages that the server gives. */
export const nameLanguages = (names) => void (served = names ?? {});

export function languageName(code) {
  if (!code) return "";
  if (served[code]) return served[code][language()];
  try {
    return new Intl.DisplayNames(locale(), { type: "language" }).of(code) ?? code;
  } catch {
    return code; // a code of Whisper that is not BCP 47
  }
}

/** Describe an error, in the chosen language where there is a message for it. */
export function errorMessage(error) {
  return error.reason === "unreachable" ? t("unreachable") : error.message;
}
