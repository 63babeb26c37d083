import { date, dateTime } from '../shared/format.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { badge, html, icon, keyValues, nothing, notice, render, time } from '../shared/view.js';

function cancelledText(job) {
  const c = job.cancellation;
  const at = job.ended_at ?? c.requested_at;
  return `Job Cancelled on ${date(at)} at ${dateTime(at).slice(11)} by ${c.requested_by.name}`;
}

/**
 * Name, badge, facts and what may be done.
 * @param {object} job @param {{onCancel: () => void, onDelete: () => void, onPause: () => void, onResume: () => void}} actions
 */
export function jobHeader(job, { onCancel, onDelete, onPause, onResume }) {
  const may = (action) => job.allowed_actions.includes(action);
  const c = job.configuration;
  return html`<div class="page-head"><div><div class="title"><h1>${job.name}</h1><span id="job-badge">${badge(job.badge, job.status_sentence)}</span></div>
    <div class="meta"><span>${icon('box', 'sm')}${c.base_model.name}</span><span>${icon('cpu', 'sm')}${c.gpu.name} · ${c.gpu.tier === 'spot' ? 'spot' : 'on-demand'}</span>
      ${job.dataset ? html`<a href="/datasets/${job.dataset.id}">${icon('database', 'sm')}${job.dataset.name}</a>` : nothing}<span class="mono" title=${job.id}>${job.id}</span></div></div>
    <div class="actions">${job.model_id ? html`<a class="btn primary" href="/models/${job.model_id}">${icon('package')}View &amp; Download</a>` : nothing}
      ${job.started_at ? html`<a class="btn" href="/training-jobs/compare?ids=${job.id}">${icon('scale')}Compare</a>` : nothing}
      ${may('resume') ? html`<button type="button" id="resume-training" class="btn primary" @click=${onResume}>${icon('play')}Resume Training</button>` : nothing}
      ${may('pause') ? html`<button type="button" id="pause-training" class="btn warning" title="Temporarily stop training and terminate GPU. Resume later from current progress." @click=${onPause}>${icon('pause')}Pause Training</button>` : nothing}
      ${may('cancel') ? html`<button type="button" id="cancel-training" class="btn solid-danger ${job.cost.level === 'over' ? 'emphasised' : ''}" @click=${onCancel}>${icon('triangle-alert')}Cancel Training</button>` : nothing}
      ${job.status === 'cancelled' && job.cancellation ? html`<span class="small muted">${cancelledText(job)}</span>` : nothing}
      ${may('delete') ? html`<button type="button" class="btn danger" @click=${onDelete}>${icon('trash-2')}Delete</button>` : nothing}</div></div>`;
}

/** @param {object} job @param {() => void} onDetails what went wrong, in the person's words */
export function endNotice(job, onDetails) {
  if (!job.error) return nothing;
  return html`<div class="notice" data-tone="danger" role="alert">${icon('circle-x')}<div class="notice-text"><b>${job.error.title}</b><br>${job.status_sentence}</div>
    <button type="button" class="btn sm" @click=${onDetails}>View Error Details</button></div>`;
}

function detailsDialog(title, content, action = nothing) {
  const dialog = createDialog('details-title', 'wide details-dialog');
  render(
    html`<div class="modal-body"><h2 id="details-title">${title}</h2>${content}</div><footer>${action}<button type="button" class="btn" autofocus @click=${() => dialog.close()}>Close</button></footer>`,
    dialog,
  );
  openDialog(dialog);
  return dialog;
}

/** @param {object} error of a job */
export function openErrorDetails(error) {
  detailsDialog(error.title, html`<p>${error.message}</p>${keyValues([['Reason', error.end_reason], ['At', time(error.at)]])}
    ${error.stack ? html`<pre class="code" tabindex="0" aria-label="Stack trace">${error.stack}</pre>` : nothing}`);
}

/** @param {object} stage @param {() => void} onLog opens the event log */
export function openStageDetails(stage, onLog) {
  const words = { completed: 'Completed', active: 'In progress', failed: 'Failed', pending: 'Waiting' };
  const dialog = detailsDialog(
    stage.label,
    html`${stage.error ? notice(stage.error) : nothing}${stage.message ? html`<p>${stage.message}</p>` : nothing}
      ${keyValues([['State', words[stage.state] ?? stage.state], ['Started', time(stage.started_at)], ['Completed', time(stage.completed_at)], ['Estimate', stage.estimate ?? '–']])}`,
    html`<button type="button" class="btn" @click=${() => { dialog.close(); onLog(); }}>${icon('file-text')}Open event log</button>`,
  );
}
