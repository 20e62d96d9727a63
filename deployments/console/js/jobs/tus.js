// Resumable uploads by the tus protocol 1.0 (tus.io): creation, offset, chunks, termination.

import { errorFrom, here, request, withAuthorization } from "../lib/api.js";

const UPLOADS_PATH = "/v1/uploads";
const CHUNK_BYTES = 8 << 20;
const VERSION = { "tus-resumable": "1.0.0" };

/** Create an upload; resolves to the path that takes its chunks. */
export async function createUpload(file, options) {
  const headers = { ...VERSION, "upload-length": String(file.size), "upload-metadata": encodeMetadata(file, options) };
  const response = await request(UPLOADS_PATH, { method: "POST", headers });
  return `${UPLOADS_PATH}/${response.headers.get("location").split("/").pop()}`;
}

/** Encode the header `Upload-Metadata`: names with values in Base64 of UTF-8; empty values are left out. */
export function encodeMetadata(file, options) {
  const metadata = Object.entries({ ...options, filename: file.name, filetype: file.type }).filter(([, value]) => value.length);
  return metadata.map(([name, value]) => `${name} ${base64(String(value))}`).join(",");
}

const base64 = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));

/** Read how many bytes the server has, and the job once it has all: `{ offset, job }`. */
export async function readOffset(path) {
  const response = await request(path, { method: "HEAD", headers: VERSION });
  return { offset: Number(response.headers.get("upload-offset")), job: response.headers.get("x-meetmemo-job") };
}

/**
 * Send the chunk at an offset; resolves to the next offset and the job once all is there: `{ offset, job }`.
 *
 * `onProgress(n_bytes)` is called with the position in the file, `onRequest(xhr)` with the request, so that it can be aborted.
 */
export function sendChunk(path, file, offset, { onProgress, onRequest }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest(); // fetch does not report the progress of an upload
    onRequest(xhr);
    xhr.open("PATCH", here(path));
    const headers = { ...VERSION, "upload-offset": String(offset), "content-type": "application/offset+octet-stream" };
    for (const [name, value] of Object.entries(withAuthorization(headers))) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => onProgress(offset + event.loaded);
    xhr.onloadend = () => {
      if (xhr.status === 204) resolve({ offset: Number(xhr.getResponseHeader("upload-offset")), job: xhr.getResponseHeader("x-meetmemo-job") });
      else reject(errorFrom(xhr.status, xhr.responseText, xhr.getResponseHeader("retry-after")));
    };
    xhr.send(file.slice(offset, offset + CHUNK_BYTES));
  });
}

/** Terminate an upload; the server deletes what it received. */
export const terminateUpload = (path) => request(path, { method: "DELETE", headers: VERSION });
