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
    /** All samples of a name added up, or those whose labels hold some text; null where there is none. */
    value(name, labels = "") {
      const found = samples.filter((sample) => sample.name === name && sample.labels.includes(labels));
      return found.length ? found.reduce((sum, sample) => sum + sample.value, 0) : null;
    },
  };
}
