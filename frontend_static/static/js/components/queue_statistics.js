import { aboutDuration, duration, plural } from '../shared/format.js';
import { hasRole } from '../shared/session.js';
import { html, icon, nothing } from '../shared/view.js';

const TRENDS = { increasing: ['↑ Queue time increasing', 'no'], decreasing: ['↓ Decreasing', 'yes'], steady: ['→ Steady', 'same'] };
const LONG = ['long', 'very long'];

const tile = (label, value, note, extra = nothing) => html`<div class="card kpi"><dt>${label}</dt><dd><span class="v">${value}</span><span class="u">${note}</span>${extra}</dd></div>`;

function trend(word) {
  const found = TRENDS[word];
  return found ? html`<span class="delta" data-good=${found[1]} title="The last 7 days against the 7 before">${found[0]}</span>` : nothing;
}

/** @param {object} s statistics of the queue */
export function statistics(s) {
  const perDay = Number(s.starts_per_day.toFixed(1));
  return html`<dl class="kpis" aria-label="Queue statistics">
    ${tile('Average queue wait time', duration(s.average_wait_seconds), s.sample_size ? `last ${s.average_wait_days} days, ${plural(s.sample_size, 'start')}` : `no starts in the last ${s.average_wait_days} days`, trend(s.trend))}
    ${tile('Queue throughput', `${perDay} ${perDay === 1 ? 'job' : 'jobs'}/day`, `last ${s.starts_per_day_days} days`)}
    ${tile('Longest queue wait', duration(s.longest_wait_seconds), s.longest_wait_seconds === null ? 'nothing waited yet' : 'ever')}
    ${tile('Current queue depth', plural(s.depth, 'job'), `(${s.depth_word})`)}</dl>`;
}

/**
 * What helps against a long queue. On-demand jobs wait in the same line here, so no start is promised for them.
 * @param {object} queue of the API
 * @param {number} clearsInSeconds
 */
export function tips(queue, clearsInSeconds) {
  if (!LONG.includes(queue.statistics.depth_word)) return nothing;
  const limit = hasRole('admin') ? html`<a class="link" href="/settings#organisation">Increase the concurrency limit</a>` : 'Ask an administrator to increase the concurrency limit';
  return html`<aside class="card q-tips" aria-labelledby="tips-title"><header><h2 id="tips-title" class="row">${icon('lightbulb', 'warning')}Queue Optimization Tips:</h2></header><div class="body stack-2"><ul class="dots">
    <li>Cancel non-urgent jobs to free capacity</li><li>Consider using on-demand GPUs: they are not meant to be taken away, so a job holds its slot for less time</li>
    <li>Start jobs at off-peak hours (fewer queued jobs overnight): a draft waits for as long as you like</li><li>${limit} (more jobs at once spend the budget faster)</li></ul>
    <p class="small muted">Current estimated queue clear time: <b class="num">${aboutDuration(clearsInSeconds)}</b></p></div></aside>`;
}
