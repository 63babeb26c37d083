import { count, duration, learningRate, loss, percent, usd } from '../shared/format.js';
import { badge, html, icon, nothing, time } from '../shared/view.js';
import { tagPills } from './job_row.js';
import { jobMark } from './job_mark.js';

const TIERS = { spot: 'Spot', on_demand: 'On-Demand' };
const SHOWN_TAGS = 4;

/** How a setting is written; others are numbers or words as they are. */
const FORMATS = {
  learning_rate: learningRate,
  training_pairs: count,
  tokens: count,
  warmup_ratio: (value) => percent(value * 100, value * 100 === Math.round(value * 100) ? 0 : 1),
  tier: (value) => TIERS[value] ?? value,
  spend_cap_usd: usd,
  target_modules: (value) => value.join(', '),
  export_merged: (value) => (value ? 'Yes' : 'No'),
};

/** @param {string} field @param {unknown} value @returns {string} */
export function settingText(field, value) {
  if (value === null || value === undefined) return '–';
  return String((FORMATS[field] ?? String)(value));
}

const allEnded = (jobs) => jobs.every((job) => job.is_final);
// Losses of different conversations cannot be ranked against each other.
const sameData = (jobs) => jobs.every((job) => job.dataset.id === jobs[0].dataset.id);

/** Label, number that is compared, what is shown, which way is better, and when jobs may be ranked by it. */
const OUTCOMES = [
  ['Best validation loss', (job) => job.outcome.best_loss, (job) => html`${loss(job.outcome.best_loss)} <span class="sub">step ${count(job.outcome.best_step)}</span>`, -1, sameData],
  ['Final validation loss', (job) => job.outcome.last_loss, (job) => loss(job.outcome.last_loss), -1, sameData],
  ['Final training loss', (job) => job.outcome.training_loss, (job) => loss(job.outcome.training_loss), -1, sameData],
  ['Loss gained', (job) => job.outcome.gained, (job) => html`${loss(job.outcome.gained)} <span class="sub">from ${loss(job.outcome.first_loss)}</span>`, 0],
  ['Cost per 0.01 gained', (job) => number(job.outcome.cost_per_hundredth_usd), (job) => `$${Number(job.outcome.cost_per_hundredth_usd).toFixed(4)}`, -1, sameData],
  ['Time to best', (job) => job.outcome.seconds_to_best, (job) => duration(job.outcome.seconds_to_best), -1, allEnded],
  ['Spent', (job) => number(job.cost.spent_usd), (job) => html`${usd(job.cost.spent_usd)} ${job.cost.projected_usd ? html`<span class="sub">of about ${usd(job.cost.projected_usd)}</span>` : nothing}`, -1, allEnded],
  ['Active time', (job) => job.times.active_seconds, (job) => duration(job.times.active_seconds), -1, allEnded],
  ['Steps', (job) => job.progress.total_steps || null, (job) => `${count(job.progress.step)} of ${count(job.progress.total_steps)}`, 0],
  ['Model quality', (job) => (job.quality?.known ? job.quality.score : null), (job) => `${job.quality.score} of 5`, 1],
];

const number = (text) => (text === null || text === undefined ? null : Number(text));

/**
 * The one job that did best in a row; null where that cannot be said.
 * @param {Array<number|null>} values @param {number} better -1: the least, 1: the greatest, 0: nobody
 * @returns {number|null} its index
 */
export function bestOf(values, better) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (better === 0 || known.length < 2) return null;
  const best = better < 0 ? Math.min(...known) : Math.max(...known);
  return known.filter((value) => value === best).length === 1 ? values.indexOf(best) : null;
}

/** @param {object[]} jobs @param {(id: string) => void} onRemove */
export function jobCards(jobs, onRemove) {
  return html`<ul class="compare-jobs" data-jobs=${jobs.length} aria-label="Compared jobs">${jobs.map((job, index) => html`<li class="card compare-job"><div class="compare-name">${jobMark(index)}<a class="job-name cut" href=${job.links.page} title=${job.name}>${job.name}</a>
    <button type="button" class="btn ghost sm icon-only" aria-label="Remove ${job.name} from the comparison" title="Remove" @click=${() => onRemove(job.id)}>${icon('x', 'sm')}</button></div>
    <div class="row">${badge(job.badge, job.status_sentence)}<span class="small muted">${job.started_at ? time(job.started_at) : 'Not started yet'}</span></div>
    ${job.description ? html`<p class="small clamp" title=${job.description}>${job.description}</p>` : nothing}
    ${job.tags.length ? html`<div class="row tags">${tagPills(job.tags, SHOWN_TAGS)}</div>` : nothing}</li>`)}</ul>`;
}

function head(jobs, label) {
  return html`<thead><tr><th scope="col" class="what">${label}</th>${jobs.map((job, index) => html`<th scope="col"><span class="compare-col">${jobMark(index)}<span class="cut" title=${job.name}>${job.name}</span></span></th>`)}</tr></thead>`;
}

function outcomeRow(jobs, [label, value, show, better, mayRank = () => true]) {
  const values = jobs.map(value);
  if (values.every((each) => each === null || each === undefined)) return nothing;
  const best = mayRank(jobs) ? bestOf(values, better) : null;
  return html`<tr><th scope="row" class="what">${label}</th>${jobs.map((job, index) => html`<td class="num ${index === best ? 'best' : ''}">${values[index] === null || values[index] === undefined ? html`<span class="muted">–</span>` : show(job)}${index === best ? html`<span class="best-mark">Best</span>` : nothing}</td>`)}</tr>`;
}

/** @param {object[]} jobs */
export function outcomeTable(jobs) {
  const label = 'Cost and outcome';
  return html`<section class="card" aria-labelledby="outcome-title"><header><h2 id="outcome-title">${label}</h2></header>
    <div class="scroll-x" tabindex="0" role="group" aria-label=${label}><table class="table compare-table" data-jobs=${jobs.length}>${head(jobs, 'Measure')}<tbody>${OUTCOMES.map((row) => outcomeRow(jobs, row))}</tbody></table></div>
    <p class="pad small muted">Cost per 0.01 is what was spent between the first and the best validation, for each 0.01 by which the loss fell. Lower is better.</p></section>`;
}

/** @param {object[]} jobs @param {object[]} differences @param {boolean} only @param {(only: boolean) => void} onOnly */
export function settingsTable(jobs, differences, only, onOnly) {
  const differing = differences.filter((each) => each.differs).length;
  const shown = only ? differences.filter((each) => each.differs) : differences;
  const label = 'Settings';
  return html`<section class="card" aria-labelledby="settings-title"><header><h2 id="settings-title">${label} <span class="muted count">${differing ? `${differing} of ${differences.length} differ` : 'no differences'}</span></h2>
    <label class="check"><input type="checkbox" id="only-differences" .checked=${only} @change=${(event) => onOnly(event.target.checked)}>Only differences</label></header>
    ${shown.length === 0 ? html`<p class="pad small muted">These jobs have the same settings.</p>` : html`<div class="scroll-x" tabindex="0" role="group" aria-label=${label}><table class="table compare-table" data-jobs=${jobs.length}>${head(jobs, 'Setting')}<tbody>${shown.map((each) => html`<tr class=${each.differs ? 'differs' : ''}>
      <th scope="row" class="what">${each.label}${each.differs ? html`<span class="differs-mark"><span class="sr">, </span>differs</span>` : nothing}</th>${each.values.map((value) => html`<td class="num wrap-any">${settingText(each.field, value)}</td>`)}</tr>`)}</tbody></table></div>`}</section>`;
}
