import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { count, duration, usd } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, keyValues, nothing, notice, progress, render } from '../shared/view.js';

const NOTES_LIMIT = 500;

function facts(job) {
  const { progress: done, checkpoint } = job;
  const since = checkpoint ? done.step - checkpoint.step : null;
  return html`<div class="stack-2"><p class="num"><b>${done.total_steps ? html`${Math.floor(done.percent)}% Complete (Step ${count(done.step)} of ${count(done.total_steps)})` : job.status_sentence}</b></p>
    ${progress(done.percent, 'Training progress', '', 'thin')}
    ${keyValues([
      ['Job', html`${job.name} <span class="mono muted">${job.id}</span>`],
      ['Now', `${job.badge.label}${done.epoch ? ` - Epoch ${done.epoch} of ${done.epochs}` : ''}`],
      ['Elapsed', duration(done.elapsed_seconds)],
      ...(checkpoint ? [['Last checkpoint', `Step ${count(checkpoint.step)} (${count(Math.max(0, since))} steps ago)`]] : []),
    ])}<p class="cancel-cost num">${usd(job.cost.spent_usd)}</p></div>`;
}

const WORDS = {
  running: {
    title: 'Cancel Training Job?', lost: 'This action cannot be undone. Training progress will be lost.', warning: 'This will permanently stop training and terminate the GPU instance',
    understood: 'I understand this action cannot be undone and the GPU instance will be terminated immediately', confirm: 'Confirm Cancellation', busy: 'Cancelling...', done: 'Cancelling the job. The GPU is being terminated.',
  },
  queued: {
    title: 'Remove from Queue?', lost: 'This action cannot be undone: the job is cancelled and loses its place in line.', warning: 'No GPU is rented for this job, so nothing more is billed for it',
    understood: 'I understand this action cannot be undone and the job will not start', confirm: 'Remove from Queue', busy: 'Removing...', done: 'The job was removed from the queue.',
  },
};
const wordsFor = (job) => WORDS[job.status] ?? WORDS.running;

function outcomesOfQueued(job) {
  const spent = Number(job.cost.spent_usd);
  return html`<div><h3>What will happen:</h3><ul class="outcomes">
    <li><span class="danger" aria-hidden="true">✗</span>The job leaves the queue and will not start</li>
    <li><span class="success" aria-hidden="true">✓</span>The jobs behind it move up</li>
    <li><span class="success" aria-hidden="true">✓</span>Its configuration stays, and can be cloned into a new job</li>
    <li class="num"><span aria-hidden="true">${icon('wallet', 'sm')}</span>${spent > 0 ? `Final cost will be: ${usd(job.cost.spent_usd)}, spent earlier` : 'It has cost nothing'}</li></ul></div>`;
}

function consequences(job) {
  if (job.status === 'queued') return outcomesOfQueued(job);
  const bad = (text) => html`<li><span class="danger" aria-hidden="true">✗</span>${text}</li>`;
  return html`<div><h3>What will happen:</h3><ul class="outcomes">
    ${bad('Training will stop immediately at current step (no completion)')}
    ${bad('GPU instance will be terminated within 60 seconds')}
    <li><span class="success" aria-hidden="true">✓</span>Partial progress and metrics will be saved for review</li>
    ${bad('This job cannot be resumed - you must start a new job to continue')}
    <li class="num"><span aria-hidden="true">${icon('wallet', 'sm')}</span>Final cost will be: ${usd(job.cost.spent_usd)} based on ${duration(job.progress.elapsed_seconds)} elapsed time</li></ul></div>`;
}

function template(job, reasons, state, act) {
  const ready = state.reason && state.understood && !state.busy;
  const words = wordsFor(job);
  return html`<div class="modal-body"><h2 id="cancel-title">${icon('triangle-alert', 'danger lg')}${words.title}</h2>
    <p>${words.lost}</p>
    ${notice(words.warning, undefined, job.status === 'queued' ? 'info' : 'warning')}
    ${facts(job)}${consequences(job)}
    <div class="field"><label for="cancel-reason">Why are you cancelling? <span class="danger" aria-hidden="true">*</span></label>
      <select class="select" id="cancel-reason" required @change=${(event) => act({ reason: event.target.value })}>
        <option value="" ?selected=${!state.reason}>Choose a reason</option>
        ${reasons.map((reason) => html`<option value=${reason.id} ?selected=${reason.id === state.reason}>${reason.label}</option>`)}</select></div>
    <div class="field"><label for="cancel-notes">Additional details (optional)<span class="counter num">${state.notes.length}/${NOTES_LIMIT}</span></label>
      <textarea class="textarea" id="cancel-notes" maxlength=${NOTES_LIMIT} placeholder="Provide additional context about why you're cancelling this job..."
        .value=${state.notes} @input=${(event) => act({ notes: event.target.value })}></textarea></div>
    <label class="check"><input type="checkbox" id="cancel-understood" .checked=${state.understood} @change=${(event) => act({ understood: event.target.checked })}>
      ${words.understood}</label>
    ${state.error ? notice(state.error) : nothing}</div>
    <footer><button type="button" class="btn" id="cancel-back" autofocus @click=${act.back}>Go Back</button>
    <button type="button" class="btn solid-danger" id="cancel-confirm" ?disabled=${!ready} aria-busy=${state.busy} @click=${act.confirm}>
      ${state.busy ? words.busy : words.confirm}</button></footer>`;
}

async function loadReasons() {
  return (await get('/catalog')).cancellation_reasons;
}

/**
 * Asks why and confirms the cancellation of a job. Escape goes back, clicks outside and Enter do nothing.
 * @param {object} job full job of the API
 * @param {(cancelled: boolean) => void} [onDone]
 */
export async function openCancelDialog(job, onDone = () => {}) {
  let reasons = [];
  try {
    reasons = await loadReasons();
  } catch (error) {
    toast(`Failed to cancel job. ${error.message}`, 'danger');
    return;
  }
  const state = { reason: '', notes: '', understood: false, busy: false, error: null };
  const dialog = createDialog('cancel-title', 'alarm wide');
  const paint = () => render(template(job, reasons, state, act), dialog);
  const act = (change) => {
    Object.assign(state, change);
    paint();
  };
  let cancelled = false;
  act.back = () => dialog.close();
  act.confirm = async () => {
    act({ busy: true, error: null });
    try {
      await post(`/jobs/${job.id}/cancel`, { reason: state.reason, notes: state.notes || null, confirmed: true });
      cancelled = true;
      dialog.close();
      toast(wordsFor(job).done, 'info');
    } catch (error) {
      act({ busy: false, error: `Failed to cancel job. ${error.message}` });
    }
  };
  // A stray Enter in a field must never end a training run; in the notes it stays a new line.
  dialog.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !['TEXTAREA', 'SELECT'].includes(event.target.tagName) && event.target.id !== 'cancel-back') event.preventDefault();
  });
  paint();
  openDialog(dialog, () => onDone(cancelled));
}
