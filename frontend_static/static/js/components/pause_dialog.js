import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { count, duration, percent, usd } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, keyValues, nothing, notice, render } from '../shared/view.js';

const OUTCOMES = ['Training progress will be saved', 'You can resume later from this exact point', 'GPU costs stop when paused'];

function template(job, state, act) {
  const { progress: done } = job;
  return html`<div class="modal-body"><h2 id="pause-title">${icon('pause', 'warning lg')}Pause Training Job?</h2>
    <p>Training will stop at current step, checkpoint will be saved, and GPU will be terminated to avoid costs.</p>
    ${keyValues([
      ['Current Progress', `Step ${count(done.step)} of ${count(done.total_steps)} (${percent(done.percent)})`],
      ['Checkpoint will be saved at', `Step ${count(done.step)}`],
      ['Elapsed training time', duration(done.elapsed_seconds)],
      ['Current cost', usd(job.cost.spent_usd)],
    ])}
    <ul class="outcomes">${OUTCOMES.map((text) => html`<li><span class="success" aria-hidden="true">✓</span>${text}</li>`)}</ul>
    ${notice('Resume may take 5-10 minutes (GPU provisioning + checkpoint loading), 10-15 when the model has to be fetched again', undefined, 'info')}
    ${state.advice ? html`<div class="notice" data-tone="info" id="pause-advice">${icon('sparkles')}<div class="notice-text"><b>Suggestion: ${state.advice.sentence}</b><br>${state.advice.basis}</div></div>` : nothing}
    ${state.error ? notice(state.error) : nothing}</div>
    <footer><button type="button" class="btn" id="pause-back" autofocus @click=${act.back}>Continue Training</button>
    <button type="button" class="btn solid-warning" id="pause-confirm" ?disabled=${state.busy} aria-busy=${state.busy} @click=${act.confirm}>${state.busy ? 'Pausing...' : 'Pause Training'}</button></footer>`;
}

/**
 * Says what a pause does and asks for it. Escape goes back.
 * @param {object} job full job of the API
 * @param {(paused: boolean) => void} [onDone]
 */
export function openPauseDialog(job, onDone = () => {}) {
  const state = { busy: false, error: null, advice: null };
  const dialog = createDialog('pause-title', 'wide');
  const paint = () => render(template(job, state, act), dialog);
  const set = (change) => {
    Object.assign(state, change);
    paint();
  };
  let paused = false;
  const act = { back: () => dialog.close() };
  act.confirm = async () => {
    set({ busy: true, error: null });
    try {
      await post(`/jobs/${job.id}/pause`, {});
      paused = true;
      dialog.close();
      toast('Pausing. The GPU is released once the checkpoint is stored.', 'info');
    } catch (error) {
      set({ busy: false, error: `Failed to pause job. ${error.message}` });
    }
  };
  paint();
  openDialog(dialog, () => onDone(paused));
  // Shown when it comes; nobody waits for it.
  get(`/jobs/${job.id}/pause-advice`).then(({ advice }) => dialog.open && set({ advice }), () => {});
}
