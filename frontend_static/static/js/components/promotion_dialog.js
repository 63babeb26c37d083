import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { plural } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, keyValues, nothing, notice, render } from '../shared/view.js';

const [LEAST, MOST] = [100, 500];

function counter(length) {
  const missing = LEAST - length;
  return html`<span class="counter num" id="justification-count">${length}/${MOST}${missing > 0 ? `, ${missing} more needed` : ''}</span>`;
}

function fieldError(text, id) {
  return text ? html`<p class="field-error" role="alert" id=${id}>${icon('circle-alert', 'sm')}${text}</p>` : nothing;
}

function template(job, reasons, state, act) {
  const length = state.justification.trim().length;
  const ready = state.reason && length >= LEAST && !state.busy;
  const ahead = job.position - 1;
  return html`<div class="modal-body"><h2 id="promotion-title">${icon('chevrons-up', 'lg')}Promote to Front</h2>
    <p>A manager decides. They are mailed your reason and the impact on the other jobs; the job keeps its place until then.</p>
    ${keyValues([['Job', job.name], ['Queue position', html`<b>#${job.position} → #1</b>`], ['Impact', `${plural(ahead, 'other job')} will start later. The request says by how much.`]])}
    <div class="field"><label for="promotion-reason">Reason for priority promotion: <span class="danger" aria-hidden="true">*</span></label>
      <select class="select" id="promotion-reason" required aria-invalid=${state.errors.reason ? 'true' : 'false'} @change=${(event) => act.set({ reason: event.target.value })}><option value="" ?selected=${!state.reason}>Choose a reason</option>
        ${reasons.map((reason) => html`<option value=${reason.id} ?selected=${reason.id === state.reason}>${reason.label}</option>`)}</select>${fieldError(state.errors.reason?.[0], 'reason-error')}</div>
    <div class="field"><label for="justification">Justification <span class="danger" aria-hidden="true">*</span>${counter(length)}</label>
      <textarea class="textarea" id="justification" rows="5" maxlength=${MOST} required aria-describedby="justification-count justification-hint" aria-invalid=${state.errors.justification ? 'true' : 'false'} .value=${state.justification}
        @input=${(event) => act.set({ justification: event.target.value })}></textarea><p class="hint" id="justification-hint">${LEAST} to ${MOST} characters: what depends on it, and until when.</p>${fieldError(state.errors.justification?.[0], 'justification-error')}</div>
    ${state.error ? notice(state.error) : nothing}</div>
    <footer><button type="button" class="btn" autofocus @click=${act.back}>Go Back</button>
    <button type="button" class="btn primary" id="promotion-submit" ?disabled=${!ready} aria-busy=${state.busy} @click=${act.submit}>${icon('send')}${state.busy ? 'Submitting...' : 'Submit Request'}</button></footer>`;
}

/**
 * Asks a manager to move a waiting job to the front.
 * @param {object} job of the queue
 * @param {() => void} onDone called when it was asked
 */
export async function openPromotionDialog(job, onDone) {
  let reasons = [];
  try {
    reasons = (await get('/catalog')).promotion_reasons;
  } catch (error) {
    toast(`The promotion was not asked for. ${error.message}`, 'danger');
    return;
  }
  const state = { reason: '', justification: '', busy: false, error: null, errors: {} };
  const dialog = createDialog('promotion-title', 'wide');
  const paint = () => render(template(job, reasons, state, act), dialog);
  const act = {
    back: () => dialog.close(),
    set(change) {
      Object.assign(state, change);
      paint();
    },
  };
  act.submit = async () => {
    act.set({ busy: true, error: null, errors: {} });
    try {
      const { asked } = await post(`/jobs/${job.id}/promotion`, { reason: state.reason, justification: state.justification.trim() });
      dialog.close();
      toast(`The managers were asked. ${asked.impact}.`);
      onDone();
    } catch (error) {
      const errors = error.status === 422 ? error.details ?? {} : {};
      act.set({ busy: false, errors, error: Object.keys(errors).length ? null : error.message });
    }
  };
  paint();
  openDialog(dialog);
}
