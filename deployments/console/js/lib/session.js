// Browser storage: the API key for as long as the tab lives, preferences for longer.

const KEY = "meetmemo.key";

export const session = {
  get key() {
    return sessionStorage.getItem(KEY) ?? "";
  },
  set key(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  },
};

export const preferences = {
  get(name, fallback) {
    return localStorage.getItem(`meetmemo.${name}`) ?? fallback;
  },
  set(name, value) {
    localStorage.setItem(`meetmemo.${name}`, value);
  },
};
