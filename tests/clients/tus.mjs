// tus-js-client: `node tus.mjs BASE KEY FILE PARTS` uploads in so many parts side by side, and prints the job's id.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Upload } from "tus-js-client";

const [base, key, file, parts] = process.argv.slice(2);
let job = "";
await new Promise((resolve, reject) => {
  new Upload(readFileSync(file), {
    endpoint: `${base}/v1/uploads`,
    headers: { Authorization: `Bearer ${key}` },
    metadata: { filename: basename(file), filetype: "audio/mpeg" },
    chunkSize: 1 << 16,
    parallelUploads: Number(parts),
    onAfterResponse: (_, response) => {
      job = response.getHeader("X-MeetMemo-Job") ?? job;
    },
    onError: reject,
    onSuccess: resolve,
  }).start();
});
console.log(job);
