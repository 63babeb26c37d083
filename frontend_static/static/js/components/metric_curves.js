import uPlot from 'uplot';
import { count, learningRate, percent } from '../shared/format.js';
import { html, nothing, render } from '../shared/view.js';
import { colour, faint, onTheme, paddedRange } from './chart_colours.js';
import { smooth } from './series.js';

const HEIGHT_PX = 148;
const SMOOTH_FROM_POINTS = 120;
const TOGETHER = 'metric-curves';
const CURVES = [
  ['learning_rate', 'Learning rate', learningRate],
  ['grad_norm', 'Gradient norm', (value) => String(Number(value.toPrecision(3)))],
  ['tokens_per_second', 'Tokens / second', (value) => count(Math.round(value))],
  ['gpu_utilization', 'GPU utilization', (value) => percent(value)],
  ['gpu_memory_gb', 'GPU memory', (value) => `${value.toFixed(1)} GB`],
];

/** The curves beside the loss, one small chart each, under one cursor. A metric that was never reported is left out. */
class MetricCurves {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.plots = new Map();
    this.series = null;
    this.at = null;
    this.sizes = new ResizeObserver(() => this.#each((plot, area) => area.clientWidth && plot.setSize({ width: area.clientWidth, height: HEIGHT_PX })));
    this.sizes.observe(host);
    onTheme(() => this.#rebuild());
  }

  /** @param {Record<string, Array<number|null>>} series columns by name; grows in place */
  update(series) {
    const grew = series !== this.series || series.step.length !== this.drawn;
    this.series = series;
    this.drawn = series.step.length;
    this.#paint();
    if (!grew) return;
    for (const [name] of this.#known()) {
      const plot = this.plots.get(name);
      if (plot) plot.setData(this.#data(name));
      else this.#draw(name);
    }
  }

  /** Ends its charts: they listen to one another. */
  destroy() {
    this.sizes.disconnect();
    this.#each((plot) => plot.destroy());
    this.plots.clear();
    this.isGone = true;
  }

  #known() {
    return CURVES.filter(([name]) => this.series?.[name].some((value) => value !== null));
  }

  get #isLong() {
    return this.series.step.length >= SMOOTH_FROM_POINTS;
  }

  /** Of a long curve the noise is drawn faint, under a calm line. */
  #data(name) {
    const values = this.series[name];
    return [this.series.step, values, this.#isLong ? smooth(values) : values.map(() => null)];
  }

  #each(act) {
    for (const [name, plot] of this.plots) act(plot, this.#area(name));
  }

  #area(name) {
    return this.host.querySelector(`[data-curve="${name}"]`);
  }

  #rebuild() {
    if (this.isGone) return;
    for (const [name, plot] of this.plots) {
      plot.destroy();
      this.#draw(name);
    }
  }

  #draw(name) {
    const area = this.#area(name);
    const [line, text, grid] = ['--c1', '--text-3', '--grid'].map(colour);
    const axis = { font: '11px Inter, system-ui', stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const show = CURVES.find(([each]) => each === name)[2];
    const plot = new uPlot({
      width: area.clientWidth, height: HEIGHT_PX, padding: [8, 8, 0, 0], legend: { show: false },
      scales: { x: { time: false }, y: { range: (u, low, high) => paddedRange(low, high) } },
      axes: [
        { ...axis, size: 24, gap: 4, space: 70, values: (u, values) => values.map(count) },
        { ...axis, size: 64, space: 34, values: (u, values) => values.map((value) => (value === 0 ? '0' : show(value))) },
      ],
      series: [
        {},
        { stroke: () => (this.#isLong ? faint(line) : line), width: 1.5, spanGaps: true, points: { show: this.series.step.length < 3 } },
        { stroke: line, width: 1.5, spanGaps: true, points: { show: false } },
      ],
      cursor: { y: false, points: { size: 6 }, sync: { key: TOGETHER }, drag: { x: true, y: false } },
      hooks: { setCursor: [(u) => this.#onCursor(u.cursor.idx, u.cursor.left)] },
    }, this.#data(name), area);
    this.plots.set(name, plot);
  }

  #onCursor(index, left) {
    const at = left >= 0 ? index : null;
    if (at === this.at) return;
    this.at = at;
    this.#paint();
  }

  /** The value under the cursor, or the newest one that is known. */
  #value(name) {
    const values = this.series[name];
    return this.at === null ? values.findLast((value) => value !== null) : values[this.at];
  }

  #figure([name, label, show]) {
    const value = this.#value(name);
    const known = this.series[name].filter((each) => each !== null);
    const words = `${label}: ${show(known[0])} at first, ${show(known.at(-1))} now, over ${count(this.series.step.at(-1))} steps`;
    return html`<figure class="curve"><figcaption><span>${label}</span><b class="num">${value === null || value === undefined ? '–' : show(value)}</b></figcaption>
      <div data-curve=${name} role="img" aria-label=${words}></div></figure>`;
  }

  #paint() {
    const known = this.#known();
    const step = this.at === null ? null : this.series.step[this.at];
    render(html`<header><h2 id="curves-title">Curves</h2><span class="muted small num">${step === null || step === undefined ? nothing : `Step ${count(step)}`}</span></header>
      ${known.length ? html`<div class="curves">${known.map((curve) => this.#figure(curve))}</div><p class="hint pad">One cursor for all · Drag to zoom · Double-click to reset</p>`
        : html`<p class="pad muted small">Learning rate, gradient norm and the GPU's figures are drawn here as training progresses.</p>`}`, this.host);
  }
}

let shown = null;

/**
 * Draws the curves into a place of the page; those of a place that is gone are ended.
 * @param {HTMLElement|null} host @param {Record<string, Array<number|null>>} series
 */
export function paintCurves(host, series) {
  if (shown?.host !== host) {
    shown?.destroy();
    shown = host ? new MetricCurves(host) : null;
  }
  shown?.update(series);
}
