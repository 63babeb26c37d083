import uPlot from 'uplot';
import { count, learningRate, loss, usd } from '../shared/format.js';
import { colour, faint, onTheme, paddedRange } from './chart_colours.js';
import { ChartGestures } from './chart_gestures.js';
import { smooth } from './series.js';

const HEIGHT_PX = 336;
const SMOOTH_FROM_POINTS = 120;
const LATEST_STEPS = 500;
const MINIMUM_SPAN = 4;
const X_AXES = {
  step: { label: 'Training Step', show: (value) => (value >= 10000 ? `${value / 1000}K` : count(value)) },
  cost_usd: { label: 'Cost (USD)', show: (value) => usd(value) },
};

/**
 * Loss over steps or money: training on the left axis, validation dashed on the right.
 * Drag zooms, double-click shows everything; the rest of the gestures and keys are those of `ChartGestures`.
 */
export class LossChart {
  /**
   * @param {HTMLElement} host element of a fixed height that takes the keyboard
   * @param {HTMLElement} area element inside it that holds the drawing
   * @param {{onCursor?: (index: number|null, left: number, top: number) => void}} [options]
   */
  constructor(host, area, { onCursor = () => {} } = {}) {
    this.host = host;
    this.area = area;
    this.onCursor = onCursor;
    this.series = null;
    this.xName = 'step';
    this.hidden = new Set();
    this.linked = true;
    this.isSmoothed = true;
    this.isLog = false;
    this.follows = true;
    this.plot = null;
    this.gestures = new ChartGestures(host, {
      plot: () => this.plot,
      bounds: () => this.#bounds(),
      minimumSpan: () => (this.xName === 'step' ? MINIMUM_SPAN : 0),
      onReset: () => { this.follows = true; },
    });
    this.sizes = new ResizeObserver(() => this.plot?.setSize({ width: this.#width(), height: HEIGHT_PX }));
    this.sizes.observe(host);
    onTheme(() => this.rebuild());
  }

  #width() {
    return Math.max(200, this.host.clientWidth - 16);
  }

  /** Whether the noisy line is drawn faint with a calm one over it. */
  get #hasTrend() {
    return this.isSmoothed && this.series.training_loss.length >= SMOOTH_FROM_POINTS;
  }

  #data() {
    const { training_loss: training } = this.series;
    const smoothed = this.#hasTrend ? smooth(training) : training;
    return [this.series[this.xName], training, smoothed, this.series.validation_loss];
  }

  /** @param {Record<string, Array<number|null>>} series columns by name */
  update(series) {
    // Points are appended in place, so the plot's own columns have grown already: only our count tells what was drawn.
    const grew = series !== this.series || series.step.length !== this.drawn;
    this.series = series;
    this.drawn = series.step.length;
    if (!series.step.length) return;
    if (!this.plot) this.rebuild();
    else if (grew) this.plot.setData(this.#data(), this.follows);
  }

  /** Draws anew, keeping the part of the curve that is shown. */
  rebuild() {
    if (!this.series?.step.length) return;
    const shown = this.plot && !this.follows ? { ...this.plot.scales.x } : null;
    this.plot?.destroy();
    this.plot = new uPlot(this.#options(this.#width(), HEIGHT_PX), this.#data(), this.area);
    if (shown) this.plot.setScale('x', { min: shown.min, max: shown.max });
    this.gestures.listen(this.plot.over);
  }

  #options(width, height, scale = 1) {
    const [first, second, text, grid] = ['--c1', '--c2', '--text-3', '--grid'].map(colour);
    const font = `${12 * scale}px Inter, system-ui`;
    const axis = { font, labelFont: font, stroke: text, grid: { stroke: grid, width: scale }, ticks: { show: false } };
    const many = this.#hasTrend;
    const distr = this.isLog ? 3 : 1;
    const ticks = (u, values) => values.map((value) => (value === null ? '' : this.isLog ? String(Number(value.toPrecision(2))) : value.toFixed(2)));
    const dots = { show: this.series.step.length < 3 };
    const trainingShown = !this.hidden.has('training_loss');
    return {
      width, height, padding: [10 * scale, 6 * scale, 0, 4 * scale], legend: { show: false },
      scales: {
        x: { time: false },
        y: { distr, range: (u, low, high) => this.#range(u, low, high) },
        v: { distr, range: (u, low, high) => this.#range(u, low, high) },
      },
      axes: [
        { ...axis, size: 34 * scale, gap: 6 * scale, space: 70 * scale, values: (u, values) => values.map(X_AXES[this.xName].show) },
        { ...axis, scale: 'y', size: 48 * scale, space: 36 * scale, values: ticks },
        { ...axis, scale: 'v', side: 1, size: 48 * scale, space: 36 * scale, grid: { show: false }, values: ticks },
      ],
      series: [
        {},
        { scale: 'y', show: trainingShown, stroke: many ? faint(first) : first, width: (many ? 1 : 2) * scale, points: dots },
        { scale: 'y', show: trainingShown && many, stroke: first, width: 2 * scale, points: { show: false } },
        { scale: 'v', show: !this.hidden.has('validation_loss'), stroke: second, width: 2 * scale, dash: [6 * scale, 4 * scale], spanGaps: true, points: { show: true, size: 5 * scale, fill: second } },
      ],
      cursor: { drag: { x: true, y: false }, points: { size: 7 } },
      hooks: scale === 1 ? { setCursor: [(u) => this.onCursor(u.cursor.idx, u.cursor.left, u.cursor.top)], setScale: [(u, key) => key === 'x' && this.#noteRange(u)] } : {},
    };
  }

  /** One range for both axes lets the two curves be compared by eye; unlinked, each fills the height. */
  #range(u, low, high) {
    if (!this.linked) return paddedRange(low, high, this.isLog);
    const shown = u.series.slice(1).filter((series) => series.show && Number.isFinite(series.min));
    const known = shown.flatMap((series) => [series.min, series.max]);
    return known.length ? paddedRange(Math.min(...known), Math.max(...known), this.isLog) : paddedRange(low, high, this.isLog);
  }

  #noteRange(u) {
    const x = this.series[this.xName];
    this.follows = u.scales.x.min <= x[0] && u.scales.x.max >= x[x.length - 1];
  }

  #bounds() {
    const x = this.series[this.xName];
    return [x[0], x[x.length - 1]];
  }

  /** @param {number} factor below 1 zooms in */
  zoom(factor) {
    this.gestures.zoom(factor);
  }

  /** Shows the whole curve and follows new points again. */
  reset() {
    this.gestures.reset();
  }

  /** Shows the newest steps only. */
  latest() {
    if (!this.plot) return;
    const steps = this.series.step;
    const from = steps.findIndex((step) => step >= steps[steps.length - 1] - LATEST_STEPS);
    this.gestures.show(this.series[this.xName][Math.max(0, from)], this.#bounds()[1]);
  }

  /** @param {'step'|'cost_usd'} name */
  setX(name) {
    this.xName = name;
    this.follows = true;
    this.rebuild();
  }

  /** @param {string} name column to show or hide */
  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.rebuild();
  }

  /** Turns one way of drawing on or off. @param {'linked'|'isSmoothed'|'isLog'} name */
  flip(name) {
    this[name] = !this[name];
    this.rebuild();
  }

  /** @param {number|null} index @returns {{x: string, training: string, validation: string|null, rate: string}} values at a point */
  valuesAt(index) {
    const at = index ?? this.series.step.length - 1;
    const validation = this.series.validation_loss[at];
    return {
      x: this.xName === 'step' ? `Step ${count(this.series.step[at])}` : `${usd(this.series.cost_usd[at])} · step ${count(this.series.step[at])}`,
      training: loss(this.series.training_loss[at]),
      validation: validation === null ? null : loss(validation),
      rate: learningRate(this.series.learning_rate[at]),
    };
  }

  /** @returns {string} the curve in words */
  summary() {
    const known = this.series.training_loss.filter((value) => value !== null);
    if (!known.length) return 'No metrics data available yet.';
    const lowest = known.reduce((low, value) => Math.min(low, value));
    return `${count(this.series.step.at(-1))} steps. Training loss went from ${loss(known[0])} to ${loss(known.at(-1))}, lowest ${loss(lowest)}.`;
  }

  /** @returns {object} uPlot options for a chart of another size, drawn `scale` times larger */
  exportOptions(width, height, scale) {
    return { options: this.#options(width, height, scale), data: this.#data(), range: { ...this.plot.scales.x }, xLabel: X_AXES[this.xName].label };
  }
}
