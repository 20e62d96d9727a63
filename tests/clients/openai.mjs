// OpenAI's client for Node: `node openai.mjs BASE KEY FILE` prints the text.
import { File } from "node:buffer";
import { createReadStream } from "node:fs";
import OpenAI from "openai";

globalThis.File ??= File; // Node 18 has none, and the client wants one
const [base, key, file] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0 });
const models = await client.models.list();
if (!models.data.length) throw new Error("no models");
const streamed = [];
const events = await client.audio.transcriptions.create({
  file: createReadStream(file), model: "whisper-1", stream: true,
});
for await (const event of events) if (event.type === "transcript.text.done") streamed.push(event.text);
const heard = await client.audio.transcriptions.create({
  file: createReadStream(file), model: "whisper-1", response_format: "verbose_json", timestamp_granularities: ["word"],
});
if (streamed.join("") !== heard.text || !heard.words.length) throw new Error(`streamed ${streamed}, not ${heard.text}`);
console.log(heard.text);
