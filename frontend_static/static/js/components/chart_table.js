import { count, learningRate, loss, usd } from '../shared/format.js';
import { html } from '../shared/view.js';
import { keptByExtremes } from './series.js';

const ROWS = 60;

/** The curve as rows: every validation, and of the training loss what a thinned curve keeps. @param {Record<string, Array<number|null>>} series */
export function chartTable(series) {
  const validated = series.validation_loss.flatMap((value, index) => (value === null ? [] : [index]));
  const rows = [...new Set([...keptByExtremes(series.training_loss, ROWS / 2), ...validated.slice(-ROWS / 2)])].sort((a, b) => a - b);
  return html`<div class="chart-table" tabindex="0" role="group" aria-label="Loss values"><table class="table"><caption class="sr">Loss by step, ${count(rows.length)} of ${count(series.step.length)} points with the highest and lowest kept</caption>
    <thead><tr><th scope="col">Step</th><th scope="col">Training loss</th><th scope="col">Validation loss</th><th scope="col">Learning rate</th><th scope="col">Cost</th></tr></thead>
    <tbody>${rows.map((at) => html`<tr><th scope="row" class="num">${count(series.step[at])}</th><td class="num">${loss(series.training_loss[at])}</td><td class="num">${loss(series.validation_loss[at])}</td><td class="num">${learningRate(series.learning_rate[at])}</td><td class="num">${usd(series.cost_usd[at])}</td></tr>`)}</tbody></table></div>`;
}
