// Saves data as a file, through a blob URL: a plain link could not send the key.

const KEEP_MS = 60_000;

/** Offer a blob to be saved under a name. */
export function save(blob, filename) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}
