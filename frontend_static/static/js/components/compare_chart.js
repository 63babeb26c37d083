import uPlot from 'uplot';
import { count, loss, usd } from '../shared/format.js';
import { colour, faint, onTheme, paddedRange } from './chart_colours.js';
import { ChartGestures } from './chart_gestures.js';
import { COLOURS, SHAPES } from './job_mark.js';
import { smooth } from './series.js';

const HEIGHT_PX = 356;
const SMOOTH_FROM_POINTS = 120;
const MARK_EVERY_PX = 84;
const REACH_PX = 40;
export const X_AXES = {
  step: { label: 'Steps', minimumSpan: 4, show: (value) => (value >= 10000 ? `${value / 1000}K` : count(value)), say: (value) => `Step ${count(value)}` },
  epoch: { label: 'Epochs', minimumSpan: 0.02, show: (value) => String(Number(value.toFixed(2))), say: (value) => `Epoch ${value.toFixed(2)}` },
  cost_usd: { label: 'Dollars', minimumSpan: 0.0001, show: (value) => usd(value), say: (value) => usd(value) },
};
const KINDS = ['training_loss', 'validation_loss'];

/** Columns of one job against one axis, without the points that lack it. */
function table(columns, xName, isSmoothed) {
  const kept = columns[xName].flatMap((x, index) => (x === null ? [] : [index]));
  const column = (name) => kept.map((index) => columns[name][index]);
  const training = column('training_loss');
  const isMany = isSmoothed && training.length >= SMOOTH_FROM_POINTS;
  return [column(xName), isMany ? training : training.map(() => null), isMany ? smooth(training) : training, column('validation_loss')];
}

/** The curves of up to four jobs over each other: training solid, validation dashed, each job with a colour and a mark of its own. */
export class CompareChart {
  /** @param {HTMLElement} host takes the keyboard @param {HTMLElement} area holds the drawing @param {(cursor: object|null) => void} onCursor */
  constructor(host, area, onCursor) {
    this.host = host;
    this.area = area;
    this.onCursor = onCursor;
    this.jobs = [];
    this.xName = 'step';
    this.isSmoothed = true;
    this.isLog = false;
    this.hidden = new Set();
    this.plot = null;
    this.gestures = new ChartGestures(host, {
      plot: () => this.plot,
      bounds: () => [this.plot.data[0][0], this.plot.data[0].at(-1)],
      minimumSpan: () => X_AXES[this.xName].minimumSpan,
    });
    new ResizeObserver(() => this.plot?.setSize({ width: this.#width(), height: HEIGHT_PX })).observe(host);
    onTheme(() => this.draw());
  }

  #width() {
    return Math.max(200, this.host.clientWidth - 16);
  }

  /** @param {object[]} jobs of the comparison, in its order */
  update(jobs) {
    const drawn = this.jobs.map((job) => `${job.id}:${job.curves.total_points}`).join();
    const isSame = drawn === jobs.map((job) => `${job.id}:${job.curves.total_points}`).join();
    this.jobs = jobs;
    if (!isSame || !this.plot) this.draw();
  }

  /** Changes what is drawn and draws anew. @param {object} values xName, isLog or isSmoothed */
  set(values) {
    Object.assign(this, values);
    this.draw();
  }

  /** @param {string} key a job's id or a kind of loss */
  toggle(key) {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    this.draw();
  }

  get hasPoints() {
    return this.jobs.some((job) => job.curves.points > 0);
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    if (!this.hasPoints) return;
    const tables = this.jobs.map((job) => table(job.curves.columns, this.xName, this.isSmoothed));
    const data = uPlot.join(tables, tables.map(() => [0, 0, 0, 0]));
    if (!data[0].length) return;
    this.inks = this.jobs.map((job, index) => colour(COLOURS[index]));
    this.surface = colour('--surface');
    this.plot = new uPlot(this.#options(), data, this.area);
    this.gestures.listen(this.plot.over);
  }

  #options() {
    const [text, grid] = ['--text-3', '--grid'].map(colour);
    const font = '12px Inter, system-ui';
    const axis = { font, labelFont: font, stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    return {
      width: this.#width(), height: HEIGHT_PX, padding: [10, 14, 0, 4], legend: { show: false },
      scales: { x: { time: false }, y: { distr: this.isLog ? 3 : 1, range: (u, low, high) => paddedRange(low, high, this.isLog) } },
      axes: [
        { ...axis, size: 34, gap: 6, space: 70, values: (u, values) => values.map(X_AXES[this.xName].show) },
        { ...axis, size: 48, space: 36, values: (u, values) => values.map((value) => (value === null ? '' : String(Number(value.toPrecision(3))))) },
      ],
      series: [{}, ...this.jobs.flatMap((job, index) => this.#series(job, index))],
      cursor: { drag: { x: true, y: false }, points: { show: false } },
      hooks: { setCursor: [(u) => this.#cursor(u)], draw: [(u) => this.#marks(u)] },
    };
  }

  #series(job, index) {
    const stroke = this.inks[index];
    const shown = (kind) => !this.hidden.has(job.id) && !this.hidden.has(kind);
    const line = { scale: 'y', stroke, spanGaps: true, points: { show: false } };
    return [
      { ...line, show: shown(KINDS[0]), stroke: faint(stroke), width: 1 },
      { ...line, show: shown(KINDS[0]), width: 2 },
      { ...line, show: shown(KINDS[1]), width: 2, dash: [6, 4] },
    ];
  }

  /** The job's mark along its lines: filled on training, hollow on validation. */
  #marks(u) {
    this.jobs.forEach((job, index) => {
      for (const at of [index * 3 + 2, index * 3 + 3]) {
        if (u.series[at].show) this.#markLine(u, at, index, at === index * 3 + 2);
      }
    });
  }

  #markLine(u, at, index, isFilled) {
    const ratio = uPlot.pxRatio ?? devicePixelRatio;
    const [x, y] = [u.data[0], u.data[at]];
    const [ink, surface] = [this.inks[index], this.surface];
    const shape = new Path2D(SHAPES[index]);
    // Jobs start their marks apart from each other, so that close lines do not hide them.
    let next = u.bbox.left + index * (MARK_EVERY_PX / 4) * ratio;
    for (let point = 0; point < x.length; point += 1) {
      if (y[point] === null || y[point] === undefined) continue;
      const left = u.valToPos(x[point], 'x', true);
      if (left < next) continue;
      if (left > u.bbox.left + u.bbox.width) return;
      next = left + MARK_EVERY_PX * ratio;
      u.ctx.save();
      u.ctx.translate(left, u.valToPos(y[point], 'y', true));
      u.ctx.scale(ratio, ratio);
      Object.assign(u.ctx, { fillStyle: isFilled ? ink : surface, strokeStyle: isFilled ? surface : ink, lineWidth: isFilled ? 1.2 : 1.8 });
      u.ctx.setLineDash([]);
      u.ctx.fill(shape);
      u.ctx.stroke(shape);
      u.ctx.restore();
    }
  }

  #cursor(u) {
    const { left, top, idx } = u.cursor;
    if (idx === null || idx === undefined || left < 0) {
      this.onCursor(null);
      return;
    }
    const lines = this.jobs.flatMap((job, index) => {
      if (this.hidden.has(job.id)) return [];
      const [training, validation] = [2, 3].map((at) => this.#near(u, index * 3 + at, idx));
      if (training === null && validation === null) return [];
      return [{ index, name: job.name, training: training === null ? null : loss(training), validation: validation === null ? null : loss(validation) }];
    });
    this.onCursor({ left, top, at: X_AXES[this.xName].say(u.posToVal(left, 'x')), lines });
  }

  /** The value of a line nearest to a point, as far as a reader would take it for the same place. */
  #near(u, at, idx) {
    const [x, y] = [u.data[0], u.data[at]];
    const here = u.valToPos(x[idx], 'x');
    const reach = (point) => Math.abs(u.valToPos(x[point], 'x') - here) <= REACH_PX;
    for (let by = 0; by < x.length; by += 1) {
      const inside = [idx - by, idx + by].filter((point) => point >= 0 && point < x.length && reach(point));
      if (!inside.length) return null;
      const found = inside.find((point) => y[point] !== null && y[point] !== undefined);
      if (found !== undefined) return y[found];
    }
    return null;
  }
}
