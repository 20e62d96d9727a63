// Reads Prometheus' text format, as far as a page needs it.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;

export function readMetrics(text) {
  const samples = [];
  const help = {};
  for (const line of text.split("\n")) {
    const [, described, words] = /^# HELP (\S+) (.*)/.exec(line) ?? [];
    if (described) help[described] = words;
    const [, name, labels = "", value] = line.startsWith("#") ? [] : (SAMPLE.exec(line) ?? []);
    if (name) samples.push({ name, labels, value: Number(value), help: help[name] ?? "" });
  }
  return {
    samples,
    /** The first sample of a name; null where there is none. */
    value: (name) => samples.find((sample) => sample.name === name)?.value ?? null,
  };
}
