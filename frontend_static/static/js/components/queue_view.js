import { repeat } from 'lit-html/directives/repeat.js';
import { get } from '../shared/api.js';
import { plural } from '../shared/format.js';
import { currentUser, hasRole, rememberUser } from '../shared/session.js';
import { toast } from '../shared/toast.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, mount, nothing, notice } from '../shared/view.js';
import { queueCard } from './queue_card.js';
import { clockOf, moment } from './queue_estimate.js';
import { fadeOthers, places, settleFrom } from './queue_motion.js';
import { slotsPanel } from './queue_slots.js';
import { statistics, tips } from './queue_statistics.js';

const COUNTDOWN_MS = 5_000;
const HISTORY_SECONDS = 60;

/** What the list holds: who waits, behind who has a slot and no GPU yet. */
const cardsOf = (queue) => [...queue.slots.filter((slot) => slot.status === 'provisioning'), ...queue.queued];

/** @param {object} queue @returns {number} of the tab's badge */
export const depthOf = (queue) => cardsOf(queue).length;

/**
 * The queue tab.
 * @param {Element} host
 * @param {{refresh: () => void, onDepth: (depth: number) => void}} page
 * @returns {{load: (signal: AbortSignal) => Promise<object>, fail: (error: Error) => void}}
 */
export function openQueue(host, page) {
  const state = { queue: null, clock: null, error: null, history: null };
  const create = find('.topbar .btn.primary');
  const wantsHistory = () => readParameter('view') === 'history' && hasRole('manager');

  function tell(before, now) {
    const old = new Map(before.queued.map((job) => [job.id, job]));
    for (const job of now.queued) {
      const was = old.get(job.id);
      const mine = job.created_by.id === currentUser()?.id;
      if (was && mine && was.position !== job.position) announce(`${job.name} is now at position ${job.position} in the queue.`);
      if (was?.promotion_requested && !job.promotion_requested) tellDecision(job, was.promotion_requested);
    }
  }

  async function tellDecision(job, id) {
    if (job.promoted) toast(`${job.name} has been promoted to front of queue.`);
    if (job.promoted || !job.may_change) return;
    try {
      const asked = await get(`/approvals/${id}`);
      if (asked.status === 'denied') toast(`The promotion of ${job.name} was denied by ${asked.decided_by.name}: ${asked.reason}`, 'info');
    } catch {
      // Whoever asked is told in the notifications too; others need not know.
    }
  }

  async function load(signal) {
    // What is offered depends on the role, so that is known before anything is shown, and nothing moves afterwards.
    if (!currentUser()) await get('/me', { signal }).then(rememberUser, () => {});
    if (wantsHistory()) return loadHistory(signal);
    const queue = await get('/queue', { signal });
    const atMs = Date.now();
    if (state.queue) await fadeOthers(host, new Set(cardsOf(queue).map((job) => job.id)));
    if (signal.aborted) return {};
    if (state.queue) tell(state.queue, queue);
    Object.assign(state, { queue, clock: clockOf(queue, atMs), error: null });
    page.onDepth(depthOf(queue));
    const before = places(host);
    paint();
    settleFrom(before, host);
    return { afterSeconds: queue.poll_after_seconds };
  }

  async function loadHistory(signal) {
    if (!state.history) {
      const { openHistory } = await import('./queue_history.js');
      state.history = openHistory(() => paint());
    }
    const [queue] = await Promise.all([get('/queue', { signal }), state.history.load(signal)]);
    if (signal.aborted) return {};
    Object.assign(state, { queue, clock: clockOf(queue, Date.now()), error: null });
    page.onDepth(depthOf(queue));
    paint();
    return { afterSeconds: HISTORY_SECONDS };
  }

  function show(view) {
    writeParameters({ view }, { push: true });
    paint();
    page.refresh();
  }

  function views() {
    if (!hasRole('manager')) return nothing;
    const isHistory = wantsHistory();
    return html`<div class="seg q-views" role="group" aria-label="Queue view"><button type="button" aria-pressed=${!isHistory} @click=${() => show(null)}>Waiting</button>
      <button type="button" aria-pressed=${isHistory} @click=${() => show('history')}>Queue History</button></div>`;
  }

  function emptyQueue(queue) {
    const button = html`<a class="btn primary lg" href="/training-jobs/new">${icon('plus')}Create New Training Job</a>`;
    const next = html`<br>Next training slot available: <b>${queue.free > 0 ? 'Now' : moment(queue.next_slot_at, state.clock.nowMs())}</b>`;
    const capacity = queue.active === 0 ? 'All training capacity available.' : queue.free > 0 ? `${queue.free} of ${queue.limit} slots available.` : 'Every slot is in use.';
    const text = queue.free > 0 ? 'Your new training jobs will start immediately (within 5 minutes).' : 'A new training job waits for the first slot to be free.';
    return html`<div class="card">${empty(`✓ Queue is empty. ${capacity}`, html`${text}${next}`, button, 'circle-check')}</div>`;
  }

  function line(queue) {
    const jobs = cardsOf(queue);
    if (jobs.length === 0) return emptyQueue(queue);
    const cards = html`<ol class="queue" aria-label="Jobs in the queue" role="list">${repeat(jobs, (job) => job.id, (job) => queueCard(job, state.clock, page.refresh))}</ol>`;
    const advice = tips(queue, queue.clears_in_seconds ?? 0);
    return advice === nothing ? cards : html`<div class="cols">${cards}${advice}</div>`;
  }

  function body(queue) {
    if (wantsHistory()) return state.history?.view() ?? html`<div class="card"><div class="body"><span class="skeleton h-320"></span></div></div>`;
    return html`${slotsPanel(queue, state.clock, page.refresh)}
      ${queue.full ? notice(html`${queue.full} A new job is still accepted: it waits in line.`, undefined, 'info') : nothing}${queue.warning ? notice(queue.warning, undefined, 'warning') : nothing}
      ${line(queue)}`;
  }

  function paint() {
    const { queue, error } = state;
    if (!queue) {
      if (error) mount(host, notice(error.message, page.refresh));
      return;
    }
    create.title = queue.full ? `Maximum ${plural(queue.limit, 'concurrent training job')}. Wait for completion or cancel an active job. A new job waits in line.` : '';
    mount(host, html`<div class="stack">${error ? notice(`${error.message} Showing the last data.`, page.refresh, 'warning') : nothing}
      ${statistics(queue.statistics)}${views()}${body(queue)}</div>`);
  }

  setInterval(() => {
    if (!document.hidden && !host.hidden && state.queue) paint();
  }, COUNTDOWN_MS);
  return {
    load,
    fail(error) {
      state.error = error;
      paint();
    },
  };
}
