import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { count, plural, usd } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, nothing, notice, progress, render } from '../shared/view.js';

const MOST_PER_REQUEST = 20;
const REPORTS = 10;
const NAMED = 6;
const NOTES_LIMIT = 500;
const WORDS = {
  cancel: { title: 'Cancel', doing: 'Cancelling', done: 'cancelled', warning: 'Training stops at the current step and the GPUs are terminated. Cancelled jobs cannot be resumed.', sure: 'I understand that training stops and cannot be resumed' },
  delete: { title: 'Delete', doing: 'Deleting', done: 'deleted', warning: 'Their metrics, event logs and stored files are removed. Trained models stay.', sure: null },
};

function names(jobs) {
  const more = jobs.length - NAMED;
  return html`<ul class="bulk-names">${jobs.slice(0, NAMED).map((job) => html`<li class="cut">${job.name}</li>`)}${more > 0 ? html`<li class="muted">and ${count(more)} more</li>` : nothing}</ul>`;
}

function cancelFields(state, set) {
  return html`<div class="field"><label for="bulk-reason">Why are you cancelling? <span class="danger" aria-hidden="true">*</span></label>
      <select class="select" id="bulk-reason" required @change=${(event) => set({ reason: event.target.value })}><option value="">Choose a reason</option>
        ${state.reasons.map((reason) => html`<option value=${reason.id} ?selected=${reason.id === state.reason}>${reason.label}</option>`)}</select></div>
    <div class="field"><label for="bulk-notes">Additional details (optional)</label><textarea class="textarea" id="bulk-notes" maxlength=${NOTES_LIMIT} .value=${state.notes} @input=${(event) => set({ notes: event.target.value })}></textarea></div>
    <label class="check"><input type="checkbox" id="bulk-understood" .checked=${state.understood} @change=${(event) => set({ understood: event.target.checked })}>${WORDS.cancel.sure}</label>`;
}

function asking(state, set, act) {
  const { action, jobs, left } = state;
  const ready = action === 'delete' || (state.reason && state.understood);
  const what = `${WORDS[action].title} ${plural(jobs.length, 'job')}`;
  return html`<div class="modal-body"><h2 id="bulk-title">${icon('triangle-alert', 'danger lg')}${what}?</h2><p>This cannot be undone. ${WORDS[action].warning}</p>${action === 'cancel' ? html`<p>Total cost spent: <b class="num">${usd(jobs.reduce((sum, job) => sum + Number(job.cost.spent_usd), 0))}</b></p>` : nothing}${names(jobs)}
      ${left ? notice(`${plural(left, 'selected job is', 'selected jobs are')} left alone: ${action === 'cancel' ? 'drafts and ended jobs cannot be cancelled' : 'jobs that may still run must be cancelled first'}.`, undefined, 'info') : nothing}
      ${action === 'cancel' ? cancelFields(state, set) : nothing}</div>
    <footer><button type="button" class="btn" autofocus @click=${act.close}>Go Back</button><button type="button" class="btn solid-danger" id="bulk-confirm" ?disabled=${!ready} @click=${act.run}>${what}</button></footer>`;
}

function running(state, act) {
  const [done, all] = [state.results.size, state.jobs.length];
  return html`<div class="modal-body"><h2 id="bulk-title">${WORDS[state.action].doing} ${plural(all, 'job')}...</h2><p class="num" role="status">${count(done)} of ${count(all)} complete</p>${progress((done / all) * 100, `${count(done)} of ${count(all)} jobs`)}</div>
    <footer><button type="button" class="btn" ?disabled=${state.stopping} @click=${act.stop}>${state.stopping ? 'Stopping...' : 'Stop'}</button></footer>`;
}

function reported(state, act) {
  const failed = state.jobs.filter((job) => !state.results.get(job.id)?.ok);
  const done = state.jobs.length - failed.length;
  const line = (job) => html`<li><span class="danger">${icon('circle-x', 'sm')}</span><span class="grow"><b class="cut">${job.name}</b><span>${state.results.get(job.id)?.error.message ?? 'Not tried: stopped before its turn.'}</span></span></li>`;
  return html`<div class="modal-body"><h2 id="bulk-title">${count(done)} of ${plural(state.jobs.length, 'job')} ${WORDS[state.action].done}</h2><ul class="bulk-results">${failed.map(line)}</ul></div>
    <footer><button type="button" class="btn" id="bulk-again" @click=${act.run}>${icon('refresh-cw')}Try Again</button><button type="button" class="btn primary" autofocus @click=${act.close}>Close</button></footer>`;
}

/** One request for some of the jobs; a failed one is a failure of each of them. */
async function send(state, jobs) {
  const body = { action: state.action, job_ids: jobs.map((job) => job.id), confirmed: true };
  if (state.action === 'cancel') Object.assign(body, { reason: state.reason, notes: state.notes || null });
  try {
    return (await post('/jobs/bulk', body)).results;
  } catch (error) {
    return jobs.map((job) => ({ job_id: job.id, ok: false, error }));
  }
}

async function work(state, paint) {
  const open = state.jobs.filter((job) => !state.results.get(job.id)?.ok);
  for (const job of open) state.results.delete(job.id);
  Object.assign(state, { phase: 'running', stopping: false });
  paint();
  const size = Math.min(MOST_PER_REQUEST, Math.ceil(open.length / REPORTS));
  for (let at = 0; at < open.length && !state.stopping; at += size) {
    for (const result of await send(state, open.slice(at, at + size))) state.results.set(result.job_id, result);
    paint();
  }
  state.phase = 'reported';
}

/**
 * Asks, does it in portions, shows how far it is, and says what happened to each job that did not go through.
 * @param {'cancel'|'delete'} action
 * @param {object[]} jobs rows of the list that it fits
 * @param {number} left how many selected jobs it does not fit
 * @param {(doneIds: string[]) => void} onDone
 */
export async function openBulkDialog(action, jobs, left, onDone) {
  const state = { action, jobs, left, phase: 'asking', reasons: [], reason: '', notes: '', understood: false, results: new Map(), stopping: false };
  try {
    if (action === 'cancel') state.reasons = (await get('/catalog')).cancellation_reasons;
  } catch (error) {
    toast(`The jobs were not cancelled. ${error.message}`, 'danger');
    return;
  }
  const dialog = createDialog('bulk-title', 'wide');
  const set = (change) => {
    Object.assign(state, change);
    paint();
  };
  const act = { close: () => dialog.close(), stop: () => set({ stopping: true }) };
  act.run = async () => {
    await work(state, paint);
    if (jobs.every((job) => state.results.get(job.id)?.ok)) {
      dialog.close();
      toast(`${plural(jobs.length, 'job')} ${WORDS[action].done}`);
    } else {
      paint();
      dialog.querySelector('footer .primary').focus();
    }
  };
  const paint = () => render({ asking: () => asking(state, set, act), running: () => running(state, act), reported: () => reported(state, act) }[state.phase](), dialog);
  // Leaving while requests are under way would hide what they did.
  dialog.addEventListener('cancel', (event) => {
    if (state.phase === 'running') event.preventDefault();
  });
  paint();
  openDialog(dialog, () => onDone(jobs.filter((job) => state.results.get(job.id)?.ok).map((job) => job.id)));
}
