/** The metrics of a scrape, by name as Prometheus knows them (`_bucket` and so on), with the values of each label. */
export type Exposition = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** @param text - what `/metrics` answers; only metrics with at least one sample count */
export function parseExposition(text: string): Exposition {
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-z_][\w:]*)(?:\{(.*)\})? \S+$/i.exec(line) ?? [];
    if (name === undefined) continue;
    const known = metrics.get(name) ?? new Map<string, Set<string>>();
    metrics.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      const values = known.get(label) ?? new Set<string>();
      known.set(label, values.add(value));
    }
  }
  return metrics;
}
