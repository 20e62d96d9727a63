// Parses Prometheus' text exposition format, without escapes and timestamps.

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;

export function parseMetrics(exposition) {
  const samples = [];
  const help = {}; // by metric name
  for (const line of exposition.split("\n")) {
    const [, metric, text] = /^# HELP (\S+) (.*)/.exec(line) ?? [];
    if (metric) help[metric] = text;
    const [, name, labels = "", value] = line.startsWith("#") ? [] : (SAMPLE.exec(line) ?? []);
    if (name) samples.push({ name, labels, value: Number(value), help: help[name] ?? "" });
  }
  return {
    samples,
    /** Sum the samples of a name whose labels contain a text; null where there is none. */
    value(name, labels = "") {
      const found = samples.filter((sample) => sample.name === name && sample.labels.includes(labels));
      return found.length ? found.reduce((sum, sample) => sum + sample.value, 0) : null;
    },
  };
}
