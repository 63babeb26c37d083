import { get, query } from '../shared/api.js';
import { count, duration, percent, plural, usd } from '../shared/format.js';
import { startShell } from '../shared/shell.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, keyValues, mount, nothing, notice } from '../shared/view.js';

const RANGES = [30, 90, 365];
const DEFAULT_DAYS = 90;
const state = { days: wanted(), page: null, error: null, loading: true };

function wanted() {
  const days = Number(readParameter('days'));
  return RANGES.includes(days) ? days : DEFAULT_DAYS;
}

async function load() {
  state.loading = true;
  paint();
  const { days } = state;
  try {
    const page = await get(`/statistics/stops${query({ days })}`);
    if (days !== state.days) return;
    Object.assign(state, { page, error: null });
    announce(`${plural(page.jobs, 'job')} in the last ${days} days`);
  } catch (error) {
    state.error = error;
  }
  state.loading = false;
  paint();
}

function choose(days) {
  state.days = days;
  writeParameters({ days: days === DEFAULT_DAYS ? null : days });
  load();
}

/** A share with the cases behind it; too few cases say nothing. */
const rate = (share, part, of) => (share === null ? `${count(part)} of ${count(of)}` : percent(share * 100));
const behind = (share, part, of, what) => (share === null ? `too few ${what} for a rate` : `${count(part)} of ${plural(of, what.replace(/s$/, ''))}`);
const stat = (label, value, note) => html`<div class="card stat"><dt>${label}</dt><dd>${value} <small>${note}</small></dd></div>`;

function headline({ cancellations: c, pauses: p }) {
  return html`<dl class="stats">${stat('Cancellation rate', rate(c.rate, c.cancelled, c.ended), behind(c.rate, c.cancelled, c.ended, 'ended jobs'))}
    ${stat('Saved by cancelling', usd(c.saved_usd), `estimated, after ${usd(c.spent_usd)} spent`)}
    ${stat('Jobs paused', rate(p.rate, p.paused, p.jobs), behind(p.rate, p.paused, p.jobs, 'started jobs'))}
    ${stat('Saved by pausing', usd(p.saved_usd), 'GPU time not billed')}</dl>`;
}

function reasons(found) {
  const most = Math.max(...found.map((one) => one.count), 1);
  if (!found.length) return html`<p class="muted small">No job was cancelled.</p>`;
  return html`<div class="dist">${found.map((one) => html`<div><span><span>${one.label}</span><b class="num">${count(one.count)}</b></span><div class="progress thin" aria-hidden="true"><i .style=${`inline-size:${(one.count / most) * 100}%`}></i></div></div>`)}</div>`;
}

function details({ cancellations: c, pauses: p }) {
  return html`<div class="halves"><section class="card" aria-labelledby="why-title"><header><h2 id="why-title">Why jobs are cancelled</h2></header><div class="body stack">${reasons(c.reasons)}
      ${keyValues([['Average time to cancel', c.seconds_to_cancel === null ? '–' : html`${duration(c.seconds_to_cancel)} <span class="muted">of work, ${plural(c.started, 'job')}</span>`]])}</div></section>
    <section class="card" aria-labelledby="pauses-title"><header><h2 id="pauses-title">Pauses</h2></header><div class="body">${keyValues([
      ['Pauses', count(p.pauses)],
      ['Average pause', p.average_seconds === null ? '–' : html`${duration(p.average_seconds)} <span class="muted">of ${count(p.over)} that are over</span>`],
      ['Completed after a resume', html`${rate(p.resume_success, p.resumed_completed, p.resumed)}${p.resume_success === null ? nothing : html` <span class="muted">${count(p.resumed_completed)} of ${count(p.resumed)}</span>`}`],
      ['Off-peak share of paused jobs', p.off_peak_share === null ? '–' : html`${percent(p.off_peak_share * 100)} <span class="muted">of ${count(p.off_peak_of_hours)} hours of work outside 9 AM - 5 PM</span>`],
    ])}</div></section></div>`;
}

function people(found) {
  return html`<section class="card" aria-labelledby="people-title"><header><h2 id="people-title">By person</h2></header><div class="scroll-x" tabindex="0" role="region" aria-label="Table by person"><table class="table"><thead><tr><th scope="col">Person</th><th scope="col" class="r">Cancelled</th>
    <th scope="col" class="r">Saved by cancelling</th><th scope="col" class="r">Time to cancel</th><th scope="col" class="r">Paused</th><th scope="col" class="r">Average pause</th><th scope="col" class="r">Saved by pausing</th></tr></thead>
    <tbody>${found.map(({ person, cancellations: c, pauses: p }) => html`<tr><th scope="row" title=${person.email}>${person.name}</th><td class="r num">${count(c.cancelled)} of ${count(c.ended)}${c.rate === null ? nothing : html` <span class="muted">${percent(c.rate * 100)}</span>`}</td>
      <td class="r num">${usd(c.saved_usd)}</td><td class="r num">${duration(c.seconds_to_cancel)}</td><td class="r num">${count(p.paused)} of ${count(p.jobs)}</td><td class="r num">${duration(p.average_seconds)}</td><td class="r num">${usd(p.saved_usd)}</td></tr>`)}</tbody></table></div></section>`;
}

function content() {
  const { page, error } = state;
  if (!page) return error?.status === 403 ? html`<div class="card">${empty('For managers', 'Statistics about people are shown to managers and above.', html`<a class="btn" href="/dashboard/training-jobs">All jobs</a>`, 'shield-check')}</div>` : notice(`The statistics could not be read. ${error.message}`, load);
  const advice = page.advice ? html`<div class="notice" data-tone="info" role="status">${icon('sparkles')}<div class="notice-text"><b>Suggestion: ${page.advice.sentence}</b><br>${page.advice.basis}</div></div>` : nothing;
  if (!page.jobs) return html`<div class="card">${empty(`No job has ended or was paused in the last ${state.days} days`, 'A wider range may show more.', nothing, 'gauge')}</div>`;
  return html`<div class="stack ${state.loading ? 'dim' : ''}">${error ? notice(`${error.message} Showing the last data.`, load, 'warning') : nothing}${headline(page)}${advice}${details(page)}${people(page.people)}</div>`;
}

function paint() {
  mount(find('#range'), html`<div class="seg" role="group" aria-label="Period">${RANGES.map((days) => html`<button type="button" aria-pressed=${String(days === state.days)} @click=${() => choose(days)}>${days === 365 ? 'A year' : `${days} days`}</button>`)}</div>`);
  if (state.page || (state.error && !state.loading)) mount(find('#statistics'), content());
}

if (startShell()) load();
addEventListener('popstate', () => {
  state.days = wanted();
  load();
});
