// Compares two texts word by word: the longest common subsequence is what stayed the same.

const MAX_WORDS = 400; // of either text; longer ones differ as a whole

/** Split both texts into words `{ word, from, to, same }`; `from` and `to` are offsets in the text. */
export function differences(before, after) {
  const [old, now] = [words(before), words(after)];
  if (old.length > MAX_WORDS || now.length > MAX_WORDS) return { old, now };
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i][j] = old[i].word === now[j].word ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  for (let [i, j] = [0, 0]; i < old.length && j < now.length; ) {
    if (old[i].word === now[j].word) old[i++].same = now[j++].same = true;
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else j++;
  }
  return { old, now };
}

/** A word; in scripts without spaces (Thai, Lao, Burmese, Khmer, kana, Han) a character. */
const WORD = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+/g;

const words = (text) => [...text.matchAll(WORD)].map((found) => ({ word: found[0], from: found.index, to: found.index + found[0].length, same: false }));
