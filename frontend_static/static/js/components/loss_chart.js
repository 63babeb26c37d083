import uPlot from 'uplot';
import { count, learningRate, loss, usd } from '../shared/format.js';
import { smooth } from './series.js';

const HEIGHT_PX = 336;
const SMOOTH_FROM_POINTS = 120;
const LATEST_STEPS = 500;
const MINIMUM_SPAN = 4;
const X_AXES = {
  step: { label: 'Training Step', show: (value) => (value >= 10000 ? `${value / 1000}K` : count(value)) },
  cost_usd: { label: 'Cost (USD)', show: (value) => usd(value) },
};

/** Colours come from the tokens; a probe resolves `light-dark()`, which custom properties return unresolved. */
function colour(name) {
  const probe = document.createElement('i');
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

const faint = (value) => value.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.26)');

function paddedRange(u, low, high) {
  if (low === null || high === null) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [Math.max(0, low - margin), high + margin];
}

/**
 * Loss over steps or money: training on the left axis, validation dashed on the right.
 * Drag zooms, Shift-drag pans, double-click or 0 shows everything, arrows pan, + and - zoom.
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
    this.follows = true;
    this.plot = null;
    this.sizes = new ResizeObserver(() => this.plot?.setSize({ width: this.#width(), height: HEIGHT_PX }));
    this.sizes.observe(host);
    host.addEventListener('keydown', (event) => this.#onKey(event));
    this.onTheme = () => this.rebuild();
    document.addEventListener('lp:theme', this.onTheme);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.onTheme);
  }

  #width() {
    return Math.max(200, this.host.clientWidth - 16);
  }

  #data() {
    const { training_loss: training } = this.series;
    const smoothed = training.length >= SMOOTH_FROM_POINTS ? smooth(training) : training;
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
    this.#listen(this.plot.over);
  }

  #options(width, height, scale = 1) {
    const [first, second, text, grid] = ['--c1', '--c2', '--text-3', '--grid'].map(colour);
    const font = `${12 * scale}px Inter, system-ui`;
    const axis = { font, labelFont: font, stroke: text, grid: { stroke: grid, width: scale }, ticks: { show: false } };
    const many = this.series.training_loss.length >= SMOOTH_FROM_POINTS;
    const dots = { show: this.series.step.length < 3 };
    const trainingShown = !this.hidden.has('training_loss');
    return {
      width, height, padding: [10 * scale, 6 * scale, 0, 4 * scale], legend: { show: false },
      scales: {
        x: { time: false },
        y: { range: (u, low, high) => this.#range(u, low, high) },
        v: { range: (u, low, high) => this.#range(u, low, high) },
      },
      axes: [
        { ...axis, size: 34 * scale, gap: 6 * scale, space: 70 * scale, values: (u, values) => values.map(X_AXES[this.xName].show) },
        { ...axis, scale: 'y', size: 48 * scale, space: 36 * scale, values: (u, values) => values.map((value) => value.toFixed(2)) },
        { ...axis, scale: 'v', side: 1, size: 48 * scale, space: 36 * scale, grid: { show: false }, values: (u, values) => values.map((value) => value.toFixed(2)) },
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
    if (!this.linked) return paddedRange(u, low, high);
    const shown = u.series.slice(1).filter((series) => series.show && Number.isFinite(series.min));
    const known = shown.flatMap((series) => [series.min, series.max]);
    return known.length ? paddedRange(u, Math.min(...known), Math.max(...known)) : paddedRange(u, low, high);
  }

  #noteRange(u) {
    const x = this.series[this.xName];
    this.follows = u.scales.x.min <= x[0] && u.scales.x.max >= x[x.length - 1];
  }

  #listen(over) {
    over.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a pinch arrives as a wheel with Ctrl; plain wheels scroll the page
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25, event.offsetX / over.clientWidth);
    }, { passive: false });
    over.addEventListener('mousedown', (event) => {
      if (!event.shiftKey) return;
      event.stopImmediatePropagation();
      this.#drag(event, over);
    }, true);
  }

  #drag(start, over) {
    const { min, max } = this.plot.scales.x;
    const perPixel = (max - min) / over.clientWidth;
    const move = (event) => this.#show(min + (start.clientX - event.clientX) * perPixel, max + (start.clientX - event.clientX) * perPixel);
    const end = () => {
      removeEventListener('mousemove', move);
      removeEventListener('mouseup', end);
    };
    addEventListener('mousemove', move);
    addEventListener('mouseup', end);
  }

  #bounds() {
    const x = this.series[this.xName];
    return [x[0], x[x.length - 1]];
  }

  #show(min, max) {
    const [first, last] = this.#bounds();
    const span = Math.min(max - min, last - first);
    const from = Math.max(first, Math.min(min, last - span));
    if (this.xName === 'step' && span < MINIMUM_SPAN) return;
    this.plot.setScale('x', { min: from, max: from + span });
  }

  /** @param {number} factor below 1 zooms in @param {number} [centre] 0 to 1 across the chart */
  zoom(factor, centre = 0.5) {
    if (!this.plot) return;
    const { min, max } = this.plot.scales.x;
    const middle = min + (max - min) * centre;
    this.#show(middle - (middle - min) * factor, middle + (max - middle) * factor);
  }

  /** @param {number} share of the width shown, negative to the left */
  pan(share) {
    if (!this.plot) return;
    const { min, max } = this.plot.scales.x;
    this.#show(min + (max - min) * share, max + (max - min) * share);
  }

  /** Shows the whole curve and follows new points again. */
  reset() {
    if (!this.plot) return;
    this.follows = true;
    const [first, last] = this.#bounds();
    this.plot.setScale('x', { min: first, max: last });
  }

  /** Shows the newest steps only. */
  latest() {
    if (!this.plot) return;
    const steps = this.series.step;
    const from = steps.findIndex((step) => step >= steps[steps.length - 1] - LATEST_STEPS);
    this.#show(this.series[this.xName][Math.max(0, from)], this.#bounds()[1]);
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

  /** Links or unlinks the two axes. */
  toggleLink() {
    this.linked = !this.linked;
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

  #onKey(event) {
    const actions = { ArrowLeft: () => this.pan(-0.1), ArrowRight: () => this.pan(0.1), '+': () => this.zoom(0.8), '=': () => this.zoom(0.8), '-': () => this.zoom(1.25), 0: () => this.reset() };
    if (!actions[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  /** @returns {object} uPlot options for a chart of another size, drawn `scale` times larger */
  exportOptions(width, height, scale) {
    return { options: this.#options(width, height, scale), data: this.#data(), range: { ...this.plot.scales.x }, xLabel: X_AXES[this.xName].label };
  }
}
