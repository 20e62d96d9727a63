// Resumable uploads by the tus protocol 1.0 (tus.io): creation, and pieces from where the last one ended.

import { headers, problemFrom, request } from "./api.js";

const UPLOADS = "/v1/uploads";
const PIECE_BYTES = 8 << 20;
const VERSION = { "tus-resumable": "1.0.0" };

const base64 = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

/** Begins an upload; resolves to the path that takes its pieces. */
export async function begin(file, options) {
  const metadata = Object.entries({ ...options, filename: file.name, filetype: file.type }).filter(([, value]) => value.length);
  const told = metadata.map(([name, value]) => `${name} ${base64(String(value))}`).join(",");
  const answer = await request(UPLOADS, { method: "POST", more: { ...VERSION, "upload-length": String(file.size), "upload-metadata": told } });
  return new URL(answer.headers.get("location"), location.href).pathname;
}

/** How far an upload is, and its job once it is whole: {offset, job}. */
export async function reached(path) {
  const answer = await request(path, { method: "HEAD", more: VERSION });
  return { offset: Number(answer.headers.get("upload-offset")), job: answer.headers.get("x-meetmemo-job") };
}

/** Sends the next piece; `tell(bytes)` says how much of the file is there. Resolves to {offset, job}. */
export function sendPiece(path, file, offset, tell, hold) {
  return new Promise((resolve, reject) => {
    // XMLHttpRequest, because fetch does not tell how much has been sent
    const sent = new XMLHttpRequest();
    hold(sent);
    sent.open("PATCH", path);
    const given = { ...VERSION, "upload-offset": String(offset), "content-type": "application/offset+octet-stream" };
    for (const [name, value] of Object.entries(headers(given))) sent.setRequestHeader(name, value);
    sent.upload.onprogress = (event) => tell(offset + event.loaded);
    sent.onloadend = () => {
      if (sent.status === 204) resolve({ offset: Number(sent.getResponseHeader("upload-offset")), job: sent.getResponseHeader("x-meetmemo-job") });
      else reject(problemFrom(sent.status, sent.responseText, Number(sent.getResponseHeader("retry-after")) || 0));
    };
    sent.send(file.slice(offset, offset + PIECE_BYTES));
  });
}

/** Gives an upload up; what arrived is deleted. */
export const giveUp = (path) => request(path, { method: "DELETE", more: VERSION });
