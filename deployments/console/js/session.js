// What this browser remembers: the key for as long as the tab lives, tastes for longer.

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

export const tastes = {
  get(name, otherwise) {
    return localStorage.getItem(`meetmemo.${name}`) ?? otherwise;
  },
  set(name, value) {
    localStorage.setItem(`meetmemo.${name}`, value);
  },
};
