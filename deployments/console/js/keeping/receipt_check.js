// Verifies a receipt's signature (Ed25519, RFC 8032) in the browser: nothing is asked of the server that signed it.

const FORMAT = "meetmemo-receipt/1";

/** What a signature is about: the receipt without it, as JSON with sorted names, no spaces and ASCII only. */
export function signedText(receipt) {
  const { signature: _, ...signed } = receipt;
  return JSON.stringify(sorted(signed)).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sorted(value[name])]));
}

/**
 * Verify a receipt; resolves to `{ outcome, key }`: "signed" (by `key`), "trusted" (which is the one expected), "other"
 * (it is not), "changed", "unsigned", "unreadable", or "unable" where the browser has no Ed25519 or no secure page.
 */
export async function verifyReceipt(receipt, expected = "", subtle = globalThis.crypto?.subtle) {
  if (receipt?.format !== FORMAT) return { outcome: "unreadable", key: "" };
  if (!receipt.signature) return { outcome: "unsigned", key: "" };
  if (!subtle) return { outcome: "unable", key: "" };
  const { public_key: key, value } = receipt.signature;
  let good;
  try {
    const opened = await subtle.importKey("raw", bytes(key), "Ed25519", false, ["verify"]);
    good = await subtle.verify("Ed25519", opened, bytes(value), new TextEncoder().encode(signedText(receipt)));
  } catch (error) {
    return { outcome: error.name === "NotSupportedError" ? "unable" : "unreadable", key: "" };
  }
  if (!good) return { outcome: "changed", key };
  if (!expected.trim()) return { outcome: "signed", key };
  return { outcome: expected.trim() === key ? "trusted" : "other", key };
}

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
