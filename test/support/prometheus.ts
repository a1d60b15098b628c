/** One sample of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Exposition {
  /** What is told about, by name: also those that have no sample yet. */
  readonly families: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** The sum of the samples of this name that have these labels; 0 where there are none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|Nan|[+-]?Inf|[+-]?[\d.]+(?:e[+-]?\d+)?)$/;
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

/** Reads the text format, version 0.0.4, strictly. @throws Error that names the line it cannot read. */
export function readPrometheus(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || /^# HELP [a-zA-Z_:][\w:]* \S/.test(line)) continue;
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type) {
      if (families.has(type[1] ?? '')) throw new Error(`told twice: ${line}`);
      families.set(type[1] ?? '', type[2] ?? '');
      continue;
    }
    const sample = sampleLine.exec(line);
    if (!sample) throw new Error(`unreadable: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const family = families.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
    if (!families.has(family)) throw new Error(`no type before: ${line}`);
    samples.push({ name, labels: readLabels(labels), value: Number(value.replace('Inf', 'Infinity')) });
  }
  return {
    families,
    samples,
    sum(name, labels = {}) {
      return samples
        .filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))
        .reduce((sum, one) => sum + one.value, 0);
    },
  };
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPair.lastIndex = 0;
  for (let at = 0; at < text.length; at = labelPair.lastIndex) {
    const pair = labelPair.exec(text);
    if (!pair) throw new Error(`unreadable labels: ${text}`);
    labels[pair[1] ?? ''] = pair[2] ?? '';
  }
  return labels;
}
