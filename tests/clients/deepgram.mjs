// Deepgram's client for Node: `node deepgram.mjs BASE KEY FILE` prints the text.
import { readFileSync } from "node:fs";
import { createClient } from "@deepgram/sdk";

const [base, key, file] = process.argv.slice(2);
const deepgram = createClient(key, { global: { fetch: { options: { url: `${base}/deepgram/` } } } });
const { result, error } = await deepgram.listen.prerecorded.transcribeFile(readFileSync(file), {
  model: "nova-3", smart_format: true,
});
if (error) throw error;
console.log(result.results.channels[0].alternatives[0].transcript);
