import { countdown, upcoming, utc } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';

/** A start is called near only when the forecast says so, as in the notices. */
const SOON_SECONDS = 15 * 60;
const WORDS = { high: 'High confidence', medium: 'Medium confidence', low: 'Low confidence' };
const TONES = { high: 'success', medium: 'info', low: 'warning' };
const REASONS = ['Active jobs complete faster/slower than expected', 'Higher priority jobs added to queue', 'Active jobs are cancelled'];

/**
 * The service's clock and the browser's differ; what is left is counted from the reply, by the browser's clock.
 * @param {object} reply of GET /queue
 * @param {number} atMs when it came
 * @returns {{nowMs: () => number, left: (turn: {starts_in_seconds: number}) => number}} left: seconds, never below 0
 */
export function clockOf(reply, atMs) {
  const serverMs = Date.parse(reply.next_job.estimated_start_at) - reply.next_job.starts_in_seconds * 1000;
  return {
    nowMs: () => serverMs + (Date.now() - atMs),
    left: (turn) => Math.max(0, turn.starts_in_seconds - (Date.now() - atMs) / 1000),
  };
}

/** @param {string} iso @param {number} nowMs of the service */
export const moment = (iso, nowMs) => html`<time datetime=${iso} title=${utc(iso)}>${upcoming(iso, nowMs)}</time>`;

function onKey(event) {
  if (event.key === 'Escape') event.currentTarget.blur();
}

/** How sure the estimate is, and what may change it: on hover, by Tab, by a tap; Escape closes it. */
function confidence(job) {
  const id = `why-${job.id}`;
  return html`<button type="button" class="badge hint" data-tone=${TONES[job.confidence]} aria-describedby=${id} @keydown=${onKey}>${WORDS[job.confidence]}${icon('info', 'sm')}</button>
    <span class="tooltip" role="tooltip" id=${id}><span>Start time estimated based on current active jobs. May change if:</span>${REASONS.map((reason) => html`<span>• ${reason}</span>`)}</span>`;
}

/** @param {object} job of the queue @param {ReturnType<typeof clockOf>} clock */
export function estimatedStart(job, clock) {
  const left = clock.left(job);
  const soon = job.position === 1 && left <= SOON_SECONDS;
  return html`<div class="q-start"><span class="q-when">Estimated start: <b>${moment(job.estimated_start_at, clock.nowMs())}</b></span>
    <span class="q-left"><span class="num">${countdown(left)}</span>${confidence(job)}</span>${soon ? html`<span class="q-soon">Starting soon...</span>` : nothing}</div>`;
}
