import { repeat } from 'lit-html/directives/repeat.js';
import { count, date, duration, plural, spokenDuration } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';
import { EVENT_TYPES, eventRow } from './event_row.js';

const GAP_SECONDS = 5 * 60;
const RUN_FROM = 3;

const seconds = (from, to) => Math.abs(Date.parse(to.at) - Date.parse(from.at)) / 1000;

/**
 * Events as a timeline shows them: a heading for each day, several metrics lines in a row as one node, silence of five
 * minutes or more between its neighbours.
 * @param {object[]} events in the order shown
 * @returns {Array<{kind: 'event', event: object}|{kind: 'run', events: object[]}|{kind: 'gap', key: string, seconds: number}|{kind: 'day', key: string, day: string}>}
 */
export function timelineItems(events) {
  const items = [];
  let run = [];
  const endRun = () => {
    items.push(...(run.length >= RUN_FROM ? [{ kind: 'run', events: run }] : run.map((event) => ({ kind: 'event', event }))));
    run = [];
  };
  events.forEach((event, index) => {
    const silence = index ? seconds(events[index - 1], event) : 0;
    const day = date(event.at);
    const isNewDay = index === 0 || day !== date(events[index - 1].at);
    if (silence >= GAP_SECONDS || isNewDay || (event.type !== 'metrics' && run.length)) endRun();
    if (silence >= GAP_SECONDS) items.push({ kind: 'gap', key: `gap-${event.id}`, seconds: silence });
    if (isNewDay) items.push({ kind: 'day', key: `day-${event.id}`, day });
    if (event.type === 'metrics') run.push(event);
    else items.push({ kind: 'event', event });
  });
  endRun();
  return items;
}

/** What deserves to be seen first: why a job stopped, lost its GPU or reached its cap. @param {object} event @returns {string|null} */
export function criticalWord(event) {
  if (/spend.cap|hard_cap/i.test(`${event.message} ${event.data?.end_reason ?? ''}`)) return 'Spend cap';
  if (event.type === 'error') return 'Error';
  if (event.type === 'warning' && event.data?.recovery !== undefined) return 'Lost GPU';
  return null;
}

/** @param {object[]} events errors, warnings and ends @returns {object[]} critical ones first, each newest first */
export function pinnedOrder(events) {
  const newestFirst = [...events].sort((a, b) => (a.id < b.id ? 1 : -1));
  return [...newestFirst.filter(criticalWord), ...newestFirst.filter((event) => !criticalWord(event) && event.type === 'warning')];
}

function runNode(events, options) {
  const steps = events.map((event) => event.data?.step).filter((step) => step !== undefined);
  const range = steps.length ? `, step ${count(Math.min(...steps))} to ${count(Math.max(...steps))}` : '';
  return html`<li class="node" data-type="metrics"><span class="node-mark" aria-hidden="true">${icon(EVENT_TYPES.metrics.icon, 'sm')}</span>
    <details class="run"><summary>${icon('chevron-right', 'sm chev')}${count(events.length)} metrics updates${range}</summary><ul class="run-rows">${events.map((event) => eventRow(event, options))}</ul></details></li>`;
}

function node(item, options) {
  if (item.kind === 'gap') return html`<li class="gap"><span class="sr">${spokenDuration(item.seconds)} without events</span><span aria-hidden="true">${icon('clock', 'sm')}${duration(item.seconds)} without events</span></li>`;
  if (item.kind === 'day') return html`<li class="day">${item.day}</li>`;
  if (item.kind === 'run') return runNode(item.events, options);
  const type = EVENT_TYPES[item.event.type] ?? EVENT_TYPES.info;
  return html`<li class="node" data-type=${item.event.type}><span class="node-mark" aria-hidden="true">${icon(type.icon, 'sm')}</span><ul>${eventRow(item.event, options)}</ul></li>`;
}

/** @param {object[]} events @param {{search: string, repaint: () => void}} options */
export function timeline(events, options) {
  const key = (item) => item.key ?? item.event?.id ?? `run-${item.events[0].id}`;
  return html`<ol class="timeline short" aria-label="Timeline of events">${repeat(timelineItems(events), key, (item) => node(item, { ...options, short: true }))}</ol>`;
}

/** Errors and warnings, above the timeline. @param {object[]} events @param {boolean} isOpen @param {() => void} onMore @param {object} options */
export function pinned(events, isOpen, onMore, options) {
  const ordered = pinnedOrder(events);
  if (!ordered.length) return nothing;
  const words = ordered.map(criticalWord).filter(Boolean);
  const [critical, others] = [words.length, ordered.length - words.length];
  const told = [critical ? `${plural(critical, 'critical event')} (${[...new Set(words)].join(', ')})` : null, others ? plural(others, 'warning') : null];
  const shown = isOpen ? ordered : ordered.slice(0, Math.max(1, Math.min(3, critical)));
  return html`<section class="pinned" aria-labelledby="pinned-title"><header><h3 id="pinned-title">${icon('triangle-alert', 'sm')}${told.filter(Boolean).join(' and ')}</h3>
    ${ordered.length > shown.length || isOpen ? html`<button type="button" class="btn ghost sm" aria-expanded=${String(isOpen)} @click=${onMore}>${isOpen ? 'Show fewer' : `Show all ${count(ordered.length)}`}</button>` : nothing}</header>
    <ul>${shown.map((event) => eventRow(event, options))}</ul></section>`;
}
