import { announce, html, icon, nothing, render } from '../shared/view.js';
import { loss } from '../shared/format.js';
import { CompareChart, X_AXES } from './compare_chart.js';
import { jobMark } from './job_mark.js';

const KINDS = [['training_loss', 'Training'], ['validation_loss', 'Validation']];

/** The overlaid curves with their legend, axes and a value tip. */
export class CompareCard {
  /** @param {HTMLElement} host @param {{xName: string, onAxis: (name: string) => void}} options */
  constructor(host, { xName, onAxis }) {
    this.host = host;
    this.onAxis = onAxis;
    this.chart = null;
    this.xName = xName;
    this.#paint();
    const area = host.querySelector('.chart');
    this.tip = host.querySelector('.chart-tip');
    this.chart = new CompareChart(area, host.querySelector('.plot'), (cursor) => this.#onCursor(cursor));
    this.chart.xName = xName;
  }

  /** @param {object[]} jobs of the comparison */
  update(jobs) {
    this.chart.update(jobs);
    this.#paint();
  }

  #onCursor(cursor) {
    this.tip.hidden = !cursor || cursor.lines.length === 0;
    if (this.tip.hidden) return;
    render(
      html`<b>${cursor.at}</b>${cursor.lines.map((line) => html`<span class="tip-line">${jobMark(line.index)}<span class="cut">${line.name}</span>
        <span class="num">${line.training ?? '–'}${line.validation ? html` · val <b>${line.validation}</b>` : nothing}</span></span>`)}`,
      this.tip,
    );
    const room = this.host.clientWidth - this.tip.offsetWidth - 12;
    const beside = cursor.left + 74 > room ? cursor.left + 34 - this.tip.offsetWidth : cursor.left + 74;
    this.tip.style.transform = `translate(${Math.max(8, Math.min(room, beside))}px, ${Math.max(4, Math.min(220, cursor.top - 20))}px)`;
  }

  #set(values, said) {
    this.chart.set(values);
    if (said) announce(said);
    this.#paint();
  }

  #setAxis(name) {
    this.xName = name;
    this.#set({ xName: name }, `Horizontal axis: ${X_AXES[name].label}`);
    this.onAxis(name);
  }

  #legend() {
    const isShown = (key) => String(!this.chart.hidden.has(key));
    const toggle = (key) => {
      this.chart.toggle(key);
      this.#paint();
    };
    return html`<div class="legend">${this.chart.jobs.map((job, index) => html`<button type="button" class="of-job" aria-pressed=${isShown(job.id)} @click=${() => toggle(job.id)}>${jobMark(index)}<span class="cut">${job.name}</span></button>`)}
      <span class="legend-gap" aria-hidden="true"></span>${KINDS.map(([kind, label]) => html`<button type="button" class="kind ${kind === 'training_loss' ? '' : 'dashed'}" aria-pressed=${isShown(kind)} @click=${() => toggle(kind)}><i></i>${label}</button>`)}</div>`;
  }

  #switch(name, label, title) {
    return html`<button type="button" class="toggle" aria-pressed=${String(this.chart?.[name] ?? false)} title=${title} @click=${() => this.#set({ [name]: !this.chart[name] })}>${label}</button>`;
  }

  #summary() {
    const spoken = ({ name, outcome: { best_loss: best, best_step: step, training_loss: training } }) =>
      `${name}: ${best === null ? 'no validation loss yet' : `best validation loss ${loss(best)} at step ${step}`}, training loss ${training === null ? 'unknown' : loss(training)}.`;
    return this.chart?.jobs.map(spoken).join(' ') ?? '';
  }

  #paint() {
    const isEmpty = this.chart && !this.chart.hasPoints;
    render(
      html`<header><h2 id="chart-title">Loss curves</h2>
        <div class="seg" role="group" aria-label="Horizontal axis">${Object.entries(X_AXES).map(([name, { label }]) => html`<button type="button" aria-pressed=${String(this.xName === name)} @click=${() => this.#setAxis(name)}>${label}</button>`)}</div>
        ${this.#switch('isSmoothed', 'Smooth', 'Draw a moving average over the noisy training loss')}${this.#switch('isLog', 'Log scale', 'Logarithmic loss axis')}
        <button type="button" class="btn ghost sm icon-only" aria-label="Zoom in" title="Zoom in" @click=${() => this.chart.gestures.zoom(0.6)}>${icon('zoom-in')}</button>
        <button type="button" class="btn ghost sm icon-only" aria-label="Zoom out" title="Zoom out" @click=${() => this.chart.gestures.zoom(1.6)}>${icon('zoom-out')}</button>
        <button type="button" class="btn ghost sm icon-only" aria-label="Show everything" title="Show everything" @click=${() => this.chart.gestures.reset()}>${icon('rotate-ccw')}</button></header>
      ${this.chart ? this.#legend() : nothing}
      <div class="chart" tabindex="0" role="group" aria-label="Loss curves of the compared jobs. Arrow keys pan, plus and minus zoom, zero shows everything." aria-describedby="chart-summary"><div class="plot"></div><div class="chart-tip compare-tip" hidden></div>
        ${isEmpty ? html`<div class="chart-empty muted small"><span>None of these jobs has metrics yet. Curves appear as training progresses.</span></div>` : nothing}</div>
      <p class="sr" id="chart-summary">${this.#summary()}</p>`,
      this.host,
    );
  }
}
