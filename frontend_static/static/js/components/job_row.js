import { live } from 'lit-html/directives/live.js';
import { count, date, dateTime, duration, hoursRange, initials, NOTHING, percent, usd } from '../shared/format.js';
import { currentUser } from '../shared/session.js';
import { badge, html, icon, nothing, progress, time } from '../shared/view.js';

const SHOWN_TAGS = 3;
const FINAL_PREFIX = { completed: 'Total', failed: 'Spent', cancelled: 'Spent' };

/**
 * Splits the API's highlighted text into plain and marked pieces; everything is shown as text, never as markup.
 * @param {string} text with <mark> around hits; any other "<" of it is written "&lt;"
 */
export function highlighted(text) {
  return text.split(/<mark>(.*?)<\/mark>/s).map((piece) => piece.replaceAll('&lt;', '<')).map((piece, index) => (index % 2 ? html`<mark>${piece}</mark>` : piece));
}

/** @param {{id: string, name: string, email?: string, role?: string}} person */
export function personCell(person) {
  const name = person.id === currentUser()?.id ? 'You' : person.name;
  return html`<span class="by" title="${person.email ?? ''}${person.role ? ` · ${person.role}` : ''}"><span class="avatar" aria-hidden="true">${initials(person.name)}</span><span class="cut">${name}</span></span>`;
}

/** @param {string[]} tags @param {number} [shown] */
export function tagPills(tags, shown = tags.length) {
  const more = tags.length - shown;
  return html`${tags.slice(0, shown).map((tag) => html`<a class="pill" href="/dashboard/training-jobs?search=${encodeURIComponent(tag)}">${tag}</a>`)}${
    more > 0 ? html`<span class="pill" title=${tags.slice(shown).join(', ')}>+${more} more</span>` : nothing}`;
}

function nameCell(job) {
  const name = job.highlights?.name ? highlighted(job.highlights.name) : job.name;
  const others = Object.keys(job.highlights ?? {}).filter((field) => field !== 'name');
  return html`<a class="job-name cut" href=${pageOf(job)} title=${job.name}>${name}</a>
    <span class="job-sub"><span class="mono cut" title=${job.id}>ID: ${job.id.slice(0, 10)}…</span>${tagPills(job.tags ?? [], SHOWN_TAGS)}</span>
    ${others.map((field) => html`<span class="matches cut">${field}: ${highlighted(String(job.highlights[field]))}</span>`)}`;
}

function statusCell(job) {
  const { progress: done } = job;
  const moving = done.total_steps > 0 && !job.is_final && job.status !== 'queued';
  const detail = moving ? `Step ${count(done.step)}/${count(done.total_steps)} (${percent(done.percent)})` : '';
  return html`<div class="job-status">${badge(job.badge, `${job.status_sentence}${detail ? `\n${detail}` : ''}\nLast update ${dateTime(job.changed_at)}`)}
    ${moving ? progress(done.percent, `Progress of ${job.name}`, '', 'thin') : nothing}</div>`;
}

function configurationCell(job) {
  const c = job.configuration;
  if (!c) return html`<span class="muted">Not configured yet</span>`;
  return html`<div class="cell-2" title=${c.tooltip ?? c.summary ?? ''}><span class="row"><span class="badge" data-tone=${c.preset_id}>${c.preset_name}</span></span>
    <span class="cut">${c.gpu_tier === 'spot' ? 'Spot' : 'On-Demand'} ${c.gpu_name} · ${job.dataset?.name ?? 'Dataset removed'}</span></div>`;
}

function durationText(job) {
  if (job.status === 'pending_configuration') return NOTHING;
  if (job.status === 'queued') return job.estimated_hours ? `Est. ${hoursRange(job.estimated_hours)}` : NOTHING;
  const spent = duration(job.duration_seconds);
  if (job.status === 'paused') return `Active: ${spent}, Paused: ${duration(job.paused_seconds)}`;
  if (['failed', 'cancelled'].includes(job.status)) return `Stopped at ${spent}`;
  return job.is_final ? spent : html`<span class="ticks">${icon('clock', 'sm')}${spent}</span>`;
}

/** Start and stop, and of a job that was ever paused both kinds of time. */
function durationTip(job) {
  if (!job.started_at) return nothing;
  const both = job.paused_seconds ? `\nActive ${duration(job.duration_seconds)}, paused ${duration(job.paused_seconds)}` : '';
  return `Started ${dateTime(job.started_at)}${job.ended_at ? `\nEnded ${dateTime(job.ended_at)}` : ''}${both}`;
}

/** The rate, what was estimated and of what it is made, and how a completed job compares. */
function costTip({ cost, status }) {
  const lines = [
    cost.hourly_rate_usd ? `${usd(cost.hourly_rate_usd)}/hr` : null,
    cost.estimated_low_usd ? `Estimated ${usd(cost.estimated_low_usd)} – ${usd(cost.estimated_high_usd)}` : null,
    cost.estimated_parts ? `of ${cost.estimated_parts}` : null,
    status === 'completed' ? `Actual ${usd(cost.spent_usd)}` : null,
  ];
  return lines.filter(Boolean).join('\n');
}

function costCell(job) {
  const { cost } = job;
  const spent = Number(cost?.spent_usd ?? 0);
  if (!cost || (spent === 0 && !job.started_at)) return html`<span class="muted">${NOTHING}</span>`;
  const tone = spent > 100 ? 'cost-high' : spent >= 50 ? 'cost-warn' : '';
  const prefix = FINAL_PREFIX[job.status] ?? 'Current';
  return html`<div class="cell-2" title=${costTip(job)}><b class=${tone}>${usd(cost.spent_usd)}</b><span>${prefix}</span></div>`;
}

/** @param {object} job @returns {string} where a click on the job leads */
export function pageOf(job) {
  return job.status === 'pending_configuration' ? `/training-jobs/${job.id}/configure` : `/training-jobs/${job.id}`;
}

const startedCell = (job) => (job.started_at ? time(job.started_at) : html`<span class="cell-2 muted" title="Created ${dateTime(job.created_at)}"><span>Not started yet</span><span>Created ${date(job.created_at)}</span></span>`);

/** What narrow screens leave out of the row. It spans the columns of the narrowest table: more would make new ones. */
function detailsRow(job) {
  const value = (label, content, classes) => html`<div class=${classes}><dt>${label}</dt><dd>${content}</dd></div>`;
  return html`<tr role="row" class="job-details" id="details-${job.id}"><td role="cell" colspan="5"><dl>${value('Configuration', configurationCell(job), 'd-config')}${value('Duration', durationText(job), 'd-time num')}
    ${value('Created by', personCell(job.created_by), 'd-by')}${value('Started', startedCell(job), 'd-start num')}</dl></td></tr>`;
}

/**
 * One job of the list. Space selects the row that has the focus in it.
 * @param {object} job
 * @param {{changed: boolean, selected: boolean, expanded: boolean}} view
 * @param {Record<'menu'|'context'|'open'|'select'|'expand', (event: Event, job: object) => void>} act
 */
export function jobRow(job, { changed, selected, expanded }, act) {
  const onKey = (event) => {
    if (event.key !== ' ' || event.target.closest('button, input')) return;
    event.preventDefault();
    act.select(event, job);
  };
  return html`<tr role="row" class="${changed ? 'changed' : ''} ${selected ? 'selected' : ''}" @click=${(event) => act.open(event, job)} @auxclick=${(event) => act.open(event, job)} @contextmenu=${(event) => act.context(event, job)} @keydown=${onKey}>
    <td role="cell" class="c-check"><label class="box"><input type="checkbox" aria-label="Select ${job.name}" .checked=${live(selected)} @click=${(event) => act.select(event, job)}></label></td>
    <td role="cell" class="c-name">${nameCell(job)}</td><td role="cell" class="c-status">${statusCell(job)}</td>
    <td role="cell" class="c-config">${configurationCell(job)}</td><td role="cell" class="c-by">${personCell(job.created_by)}</td>
    <td role="cell" class="c-start num">${startedCell(job)}</td>
    <td role="cell" class="c-time num" title=${durationTip(job)}>${durationText(job)}</td><td role="cell" class="c-cost num">${costCell(job)}</td>
    <td role="cell" class="c-menu"><span><button type="button" class="btn ghost sm icon-only expander" aria-label="Details of ${job.name}" aria-expanded=${expanded} aria-controls=${expanded ? `details-${job.id}` : nothing} @click=${(event) => act.expand(event, job)}>${icon('chevron-down')}</button>
      <button type="button" class="btn ghost sm icon-only" aria-label="Actions for ${job.name}" aria-haspopup="menu" @click=${(event) => act.menu(event, job)}>${icon('ellipsis-vertical')}</button></span></td></tr>
    ${expanded ? detailsRow(job) : nothing}`;
}
