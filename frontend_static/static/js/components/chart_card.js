import { announce, html, icon, nothing, render } from '../shared/view.js';
import { toast } from '../shared/toast.js';
import { LossChart } from './loss_chart.js';

const SERIES = [['training_loss', 'Training loss', ''], ['validation_loss', 'Validation loss', 'second']];
const WAYS = [
  ['linked', 'Same axes', 'Give both axes the same range'], ['isSmoothed', 'Smooth', 'Draw a moving average over the noisy training loss'],
  ['isLog', 'Log scale', 'Logarithmic loss axes'],
];
const AXES = [['step', 'Steps'], ['cost_usd', 'Dollars']];

/** The loss chart with its legend, range, axes and export. */
export class ChartCard {
  /** @param {HTMLElement} host @param {() => string} jobName */
  constructor(host, jobName) {
    this.host = host;
    this.jobName = jobName;
    this.cursor = null;
    this.range = 'all';
    this.chart = null;
    this.#paint();
    const area = host.querySelector('.chart');
    this.tip = host.querySelector('.chart-tip');
    this.chart = new LossChart(area, host.querySelector('.plot'), { onCursor: (index, left, top) => this.#onCursor(index, left, top) });
  }

  /** @param {Record<string, Array<number|null>>} series */
  update(series) {
    this.chart.update(series);
    if (this.range === 'latest') this.chart.latest();
    this.#paint();
  }

  #onCursor(index, left, top) {
    this.cursor = index;
    const shown = index !== null && index !== undefined && left >= 0;
    this.tip.hidden = !shown;
    if (shown) {
      const values = this.chart.valuesAt(index);
      this.tip.textContent = `${values.x}: Training Loss ${values.training}${values.validation ? `, Validation Loss ${values.validation}` : ''}`;
      const room = this.host.clientWidth - this.tip.offsetWidth - 12;
      this.tip.style.transform = `translate(${Math.max(8, Math.min(room, left + 70))}px, ${Math.max(4, top - 26)}px)`;
    }
  }

  #setRange(range) {
    this.range = range;
    if (range === 'all') this.chart.reset();
    else this.chart.latest();
    this.#paint();
  }

  #zoom(factor) {
    this.range = 'free';
    this.chart.zoom(factor);
    this.#paint();
  }

  async #export() {
    if (!this.chart.plot) return;
    const { exportPng } = await import('./chart_export.js');
    toast(`${await exportPng(this.chart, this.jobName())} saved`);
  }

  #legend() {
    const values = this.chart?.plot ? this.chart.valuesAt(null) : null;
    const shown = { training_loss: values?.training, validation_loss: values?.validation };
    const toggle = (name) => {
      this.chart.toggle(name);
      this.#paint();
    };
    return html`<div class="legend">${SERIES.map(([name, label, classes]) => html`<button type="button" class=${classes} aria-pressed=${!this.chart?.hidden.has(name)} @click=${() => toggle(name)}><i></i>${label} <b>${shown[name] ?? nothing}</b></button>`)}
      <span class="row right">${WAYS.map(([name, label, title]) => html`<button type="button" class="toggle" aria-pressed=${String(this.chart?.[name] ?? name !== 'isLog')} title=${title} @click=${() => { this.chart.flip(name); this.#paint(); }}>${label}</button>`)}</span></div>`;
  }

  async #onTable(event) {
    this.isTableOpen = event.currentTarget.open;
    if (this.isTableOpen) this.table ??= (await import('./chart_table.js')).chartTable;
    this.#paint();
  }

  #foot() {
    return html`<div class="chart-foot"><details @toggle=${(event) => this.#onTable(event)}><summary>${icon('chevron-right', 'sm chev')}Values as a table</summary>
      ${this.isTableOpen && this.table ? this.table(this.chart.series) : nothing}</details><span class="hint">Drag to zoom · Shift-drag to pan · Double-click to reset</span></div>`;
  }

  #paint() {
    const pressed = (value) => (value ? 'true' : 'false');
    const setX = (name) => {
      this.chart.setX(name);
      announce(`Horizontal axis: ${name === 'step' ? 'steps' : 'dollars'}`);
      this.#paint();
    };
    render(
      html`<header><h2 id="chart-title">Training &amp; Validation Loss</h2>
        <div class="seg" role="group" aria-label="Horizontal axis">${AXES.map(([name, label]) => html`<button type="button" aria-pressed=${pressed((this.chart?.xName ?? 'step') === name)} @click=${() => setX(name)}>${label}</button>`)}</div>
        <div class="seg" role="group" aria-label="Range"><button type="button" aria-pressed=${pressed(this.range === 'latest')} @click=${() => this.#setRange('latest')}>Latest 500</button><button type="button" aria-pressed=${pressed(this.range === 'all')} @click=${() => this.#setRange('all')}>All</button></div>
        <button type="button" class="btn ghost sm icon-only" aria-label="Zoom in" title="Zoom in" @click=${() => this.#zoom(0.6)}>${icon('zoom-in')}</button>
        <button type="button" class="btn ghost sm icon-only" aria-label="Zoom out" title="Zoom out" @click=${() => this.#zoom(1.6)}>${icon('zoom-out')}</button>
        <button type="button" class="btn sm" id="export-graph" @click=${() => this.#export()}>${icon('download', 'sm')}Export Graph</button></header>
      ${this.#legend()}
      <div class="chart" tabindex="0" role="group" aria-label="Loss chart. Arrow keys pan, plus and minus zoom, zero shows everything." aria-describedby="chart-summary"><div class="plot"></div><div class="chart-tip" hidden></div>
        ${this.chart?.plot ? nothing : html`<div class="chart-empty muted small"><span>No metrics data available yet. Metrics will appear as training progresses.</span></div>`}</div>
      <p class="sr" id="chart-summary">${this.chart?.plot ? this.chart.summary() : 'No metrics data available yet.'}</p>
      ${this.chart?.plot ? this.#foot() : nothing}`,
      this.host,
    );
  }
}
