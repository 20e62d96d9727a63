// Times, sizes and names as people read them.

import { locale, t } from "./words.js";

const pad = (n) => String(n).padStart(2, "0");

/** A position on a recording's clock: 4:05, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** How long something takes, in its two largest units. */
export function duration(seconds) {
  const unit = (value, name) => new Intl.NumberFormat(locale(), { style: "unit", unit: name, unitDisplay: "narrow" }).format(value);
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, "second");
  if (whole < 3600) return `${unit(Math.floor(whole / 60), "minute")} ${unit(whole % 60, "second")}`;
  const hours = Math.floor(whole / 3600);
  return `${unit(hours, "hour")} ${unit(Math.floor((whole % 3600) / 60), "minute")}`;
}

export function size(bytes) {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes > 0 ? Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3)) : 0;
  const options = { style: "unit", unit: names[step], unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 };
  return new Intl.NumberFormat(locale(), options).format(bytes / 1000 ** step);
}

export const percent = (share) => new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(share);

export const number = (value, digits = 1) => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);

/** A time of the calendar: today only the clock, else the day as well. */
export function when(iso) {
  const date = new Date(iso);
  const today = new Date().toDateString() === date.toDateString();
  const time = { hour: "2-digit", minute: "2-digit" };
  const day = { day: "numeric", month: "short" };
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(locale(), today ? time : { ...year, ...day, ...time }).format(date);
}

export const exactly = (iso) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));

export function languageName(code) {
  if (!code) return "";
  try {
    return new Intl.DisplayNames(locale(), { type: "language" }).of(code) ?? code;
  } catch {
    return code; // Whisper's own codes that are none of BCP 47
  }
}

/** What went wrong, in the reader's language where there is a word for it. */
export function trouble(error) {
  return error.reason === "unreachable" ? t("unreachable") : error.message;
}
