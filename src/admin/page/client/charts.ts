import type { Status } from '../../status-document.js';
import { byId, element, setText } from './dom.js';
import { duration, exactTime, NOTHING, number, short, timeOfDay } from './format.js';

type History = Status['history'];
type Column = Exclude<keyof History, 'intervalMs' | 'points' | 'time'>;
type Colour = 'blue' | 'green' | 'amber' | 'red' | 'violet' | 'grey';
type Plot = import('uplot');
type Series = import('uplot').Series;
type Options = import('uplot').Options;

/** From the file of the package, which is loaded before this one. */
declare const uPlot: typeof import('uplot');

/** 1, 2, 5, 10, ... */
const WHOLE_STEPS = Array.from({ length: 30 }, (_, i) => 10 ** Math.floor(i / 3) * ([1, 2, 5][i % 3] ?? 1));

interface Line {
  readonly label: string;
  readonly column: Column;
  readonly colour: Colour;
  /** Filled down to 0. */
  readonly area?: true;
}

interface Chart {
  readonly id: string;
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number | null) => string;
  readonly axis: (value: number) => string;
  /** The axis has no fractions. */
  readonly whole?: true;
  /** The scale reaches at least this far. */
  readonly least: number;
  /** What stands there when there is nothing to draw. */
  readonly none: string;
}

const CHARTS: readonly Chart[] = [
  {
    id: 'queries',
    title: 'Queries per second',
    lines: [
      { label: 'queries', column: 'queriesPerSecond', colour: 'blue', area: true },
      { label: 'errors', column: 'errorsPerSecond', colour: 'red' },
    ],
    format: number,
    axis: short,
    whole: true,
    least: 2,
    none: 'from the second point on',
  },
  {
    id: 'sessions',
    title: 'Server sessions',
    lines: [
      { label: 'in use', column: 'sessionsLent', colour: 'blue', area: true },
      { label: 'open', column: 'sessions', colour: 'green' },
      { label: 'limit', column: 'sessionLimit', colour: 'grey' },
    ],
    format: number,
    axis: short,
    whole: true,
    least: 2,
    none: '',
  },
  {
    id: 'work',
    title: 'Client states',
    lines: [
      { label: 'active', column: 'active', colour: 'blue' },
      { label: 'held', column: 'held', colour: 'amber' },
      { label: 'waiting', column: 'waiting', colour: 'red' },
    ],
    format: number,
    axis: short,
    whole: true,
    least: 2,
    none: '',
  },
  {
    id: 'clients',
    title: 'Clients connected',
    lines: [
      { label: 'all', column: 'clients', colour: 'blue', area: true },
      { label: 'idle', column: 'idle', colour: 'grey' },
    ],
    format: number,
    axis: short,
    whole: true,
    least: 2,
    none: '',
  },
  {
    id: 'wait',
    title: 'Wait',
    lines: percentileLines('wait'),
    format: duration,
    axis: axisDuration,
    least: 1,
    none: 'nobody had to wait',
  },
  {
    id: 'server',
    title: 'Server time',
    lines: percentileLines('server'),
    format: duration,
    axis: axisDuration,
    least: 1,
    none: 'nothing measured',
  },
];

function percentileLines(of: 'wait' | 'server'): readonly Line[] {
  return [
    { label: 'p99', column: `${of}P99`, colour: 'red' },
    { label: 'p95', column: `${of}P95`, colour: 'amber' },
    { label: 'p50', column: `${of}P50`, colour: 'blue' },
  ];
}

function axisDuration(ms: number): string {
  return ms >= 1_000 ? `${short(ms / 1_000)} s` : `${short(ms)} ms`;
}

/** The charts. @returns what fills them */
export function makeCharts(): (status: Status) => void {
  const drawings = CHARTS.map((chart) => new Drawing(chart));
  byId('charts').append(...drawings.map(({ box }) => box));
  let last: History | null = null;
  // Canvas knows no variables of style sheets.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const drawing of drawings) drawing.colour(last);
  });
  new ResizeObserver(() => {
    for (const drawing of drawings) drawing.fit();
  }).observe(byId('charts'));
  return ({ history }) => {
    if (last !== null && history.time.at(-1) === last.time.at(-1)) return;
    last = history;
    for (const drawing of drawings) drawing.show(history);
  };
}

class Drawing {
  readonly box: HTMLElement;
  readonly #chart: Chart;
  readonly #canvas = element('div', 'plot');
  readonly #none: HTMLElement;
  readonly #values: readonly {
    readonly line: Line;
    readonly item: HTMLElement;
    readonly value: HTMLElement;
  }[];
  #plot: Plot | null = null;
  #history: History | null = null;

  constructor(chart: Chart) {
    this.#chart = chart;
    this.#none = element('p', 'empty', chart.none);
    this.#values = chart.lines.map((line) => {
      const value = element('b');
      return { line, value, item: element('li', line.colour, element('span', 'quiet', line.label), value) };
    });
    const legend = element('ul', 'legend', ...this.#values.map(({ item }) => item));
    const title = element('h3', '', chart.title);
    this.box = element('figure', '', element('figcaption', '', title, legend), this.#canvas, this.#none);
    this.box.id = `chart-${chart.id}`;
    this.#canvas.role = 'img';
  }

  show(history: History): void {
    this.#history = history;
    this.#plot ??= this.#draw();
    this.#plot.setData(dataOf(this.#chart, history));
    this.#tell(null);
    const known = this.#values.filter(({ line, item }) => {
      const any = history[line.column].some((value) => value !== null);
      item.hidden = !any;
      return any;
    });
    this.#none.hidden = known.length > 0;
    this.#canvas.ariaLabel = `${this.#chart.title} over the last 15 minutes. Newest: ${known
      .map(({ line, value }) => `${line.label} ${value.textContent}`)
      .join(', ')}.`;
  }

  /** Anew, in the colours of now. */
  colour(history: History | null): void {
    this.#plot?.destroy();
    this.#plot = null;
    if (history !== null) this.show(history);
  }

  fit(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (this.#plot !== null && (this.#plot.width !== width || this.#plot.height !== height))
      this.#plot.setSize({ width, height });
  }

  /** Fills the legend with the values at a point, or with the newest. */
  #tell(index: number | null): void {
    const history = this.#history;
    if (history === null) return;
    const at = index ?? history.time.length - 1;
    const time = history.time[at];
    // All charts point at the same moment.
    setText(byId('charts-moment'), index === null || time === undefined ? '' : `at ${exactTime(time)}`);
    for (const { line, value } of this.#values) {
      const found = history[line.column][at] ?? null;
      setText(value, found === null ? NOTHING : this.#chart.format(found));
    }
  }

  #draw(): Plot {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const { lines, least, axis, whole } = this.#chart;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const shared = {
      stroke: colour('quiet'),
      font: `11px ${getComputedStyle(document.body).fontFamily}`,
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { show: false },
    };
    const options: Options = {
      width,
      height,
      legend: { show: false },
      padding: [8, 6, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'history' }, points: { size: 6 } },
      scales: {
        x: { range: (_plot, _min, max) => [max - this.#seconds, max] },
        y: { range: (_plot, _min, max) => [0, Math.max(max * 1.08, least)] },
      },
      axes: [
        {
          ...shared,
          size: 28,
          gap: 6,
          space: 64,
          values: (_plot, times) => times.map((seconds) => timeOfDay(seconds * 1_000)),
        },
        {
          ...shared,
          size: 50,
          gap: 4,
          space: 28,
          values: (_plot, values) => values.map(axis),
          ...(whole === true ? { incrs: WHOLE_STEPS } : {}),
        },
      ],
      series: [{}, ...lines.map((line): Series => seriesOf(line, colour(line.colour)))],
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx ?? null)] },
    };
    const data = this.#history === null ? [[]] : dataOf(this.#chart, this.#history);
    return new uPlot(options, data as import('uplot').AlignedData, this.#canvas);
  }

  /** What the chart covers. */
  get #seconds(): number {
    const { intervalMs = 0, points = 0 } = this.#history ?? {};
    return (intervalMs * points) / 1_000;
  }
}

function seriesOf({ area }: Line, stroke: string): Series {
  return {
    stroke,
    width: 1.5,
    ...(area === true ? { fill: `${stroke}22` } : {}),
    spanGaps: false,
    // A value between two gaps has no line.
    points: {
      show: true,
      size: 4,
      fill: stroke,
      width: 0,
      filter: (plot, index) => lonely(plot.data[index]),
    },
  };
}

function lonely(values: ArrayLike<number | null | undefined> | undefined): number[] {
  const found: number[] = [];
  for (let i = 0; i < (values?.length ?? 0); i++) {
    if (values?.[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  }
  return found;
}

function dataOf({ lines }: Chart, history: History): import('uplot').AlignedData {
  return [history.time.map((ms) => ms / 1_000), ...lines.map(({ column }) => history[column])];
}
