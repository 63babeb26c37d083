import { get, query } from '../shared/api.js';
import { count, duration } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { empty, html, icon, nothing, notice, time } from '../shared/view.js';

const DAYS = 30;
const LIMIT = 50;
const KINDS = {
  added: ['plus', 'Added', 'info'], started: ['play', 'Started', 'success'], returned: ['rotate-ccw', 'Back in line', 'warning'],
  removed: ['octagon-x', 'Removed', 'cancelled'], promoted: ['chevrons-up', 'Promoted', 'checkpoint'],
};

function details(event) {
  const parts = [
    event.old_position ? `#${event.old_position} → #${event.new_position}` : null,
    event.wait_seconds === null ? null : `waited ${duration(event.wait_seconds)}`,
    event.reason, event.by ? `by ${event.by}` : null,
  ];
  return parts.filter(Boolean).join(' · ');
}

function eventRow(event) {
  const [name, label, tone] = KINDS[event.type] ?? ['info', event.type, ''];
  return html`<li class="q-event"><span class="badge" data-tone=${tone}>${icon(name, 'sm')}${label}</span><span class="q-event-what"><a class="job-name cut" href="/training-jobs/${event.job_id}">${event.job_name}</a><span class="small muted wrap-any">${details(event)}</span></span>
    <span class="small muted nowrap">${time(event.at)}</span></li>`;
}

function dayBars(days) {
  const most = Math.max(1, ...days.map((day) => day.average_wait_seconds ?? 0));
  const started = days.reduce((sum, day) => sum + day.started, 0);
  const bar = (day) => html`<i title="${day.day}: ${day.average_wait_seconds === null ? 'nothing started' : `${duration(day.average_wait_seconds)} on average, ${count(day.started)} started`}"><b .style=${`block-size:${day.average_wait_seconds === null ? 0 : Math.max(3, (day.average_wait_seconds / most) * 100)}%`}></b></i>`;
  return html`<figure class="q-days"><div class="q-bars" role="img" aria-label="Average wait of each of the last ${days.length} days; the longest was ${duration(most)}">${days.map(bar)}</div>
    <figcaption class="row small muted"><span>${days[0].day}</span><span class="right">${days.at(-1).day}</span></figcaption></figure>
    <details class="q-table"><summary>${icon('chevron-right', 'sm')}Day by day (${count(started)} started)</summary><div class="scroll-x" tabindex="0" role="region" aria-label="The queue day by day"><table class="table"><thead><tr><th scope="col">Day (UTC)</th><th scope="col" class="r">Added</th><th scope="col" class="r">Started</th><th scope="col" class="r">Back in line</th><th scope="col" class="r">Removed</th><th scope="col" class="r">Promoted</th><th scope="col" class="r">Average wait</th><th scope="col" class="r">Longest wait</th></tr></thead>
    <tbody class="num">${[...days].reverse().map((day) => html`<tr><td>${day.day}</td><td class="r">${day.added}</td><td class="r">${day.started}</td><td class="r">${day.returned}</td><td class="r">${day.removed}</td><td class="r">${day.promoted}</td><td class="r">${duration(day.average_wait_seconds)}</td><td class="r">${duration(day.longest_wait_seconds)}</td></tr>`)}</tbody></table></div></details>`;
}

/**
 * What happened in the queue, for managers: days, bottleneck, and every event, newest first.
 * @param {() => void} onChange paints again
 */
export function openHistory(onChange) {
  const state = { page: null, more: [], cursor: null, busy: false };

  async function older() {
    state.busy = true;
    onChange();
    try {
      const page = await get(`/queue/history${query({ cursor: state.cursor, limit: LIMIT, days: 1 })}`);
      state.more.push(...page.events);
      state.cursor = page.cursor;
    } catch (error) {
      toast(`Older events could not be read. ${error.message}`, 'danger');
    }
    state.busy = false;
    onChange();
  }

  function view() {
    const { page } = state;
    if (!page) return html`<div class="card"><div class="body"><span class="skeleton h-320"></span></div></div>`;
    const events = [...page.events, ...state.more];
    return html`${page.bottleneck ? notice(html`<b>${page.bottleneck.message}</b> of ${count(page.bottleneck.sample_size)} long waits. ${page.bottleneck.advice}`, undefined, 'info') : nothing}
      <section class="card" aria-labelledby="days-title"><header><h2 id="days-title">Average wait by day</h2><span class="small muted">last ${page.days.length} days</span></header><div class="body">${page.days.length ? dayBars(page.days) : empty('No days yet', nothing, nothing, 'history')}</div></section>
      <section class="card" aria-labelledby="events-title"><header><h2 id="events-title">Queue events</h2></header>${events.length ? html`<ul role="list">${events.map(eventRow)}</ul>` : empty('Nothing happened yet', 'Jobs that enter and leave the queue are listed here.', nothing, 'history')}
        ${state.cursor ? html`<div class="pad"><button type="button" class="btn block" ?disabled=${state.busy} @click=${older}>Show older</button></div>` : nothing}</section>`;
  }

  return {
    view,
    /** The newest page; once older ones are shown it stays as it is, so that nothing moves under the reader. */
    async load(signal) {
      if (state.more.length) return;
      state.page = await get(`/queue/history${query({ limit: LIMIT, days: DAYS })}`, { signal });
      state.cursor = state.page.cursor;
    },
  };
}
