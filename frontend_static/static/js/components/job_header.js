import { date, dateTime } from '../shared/format.js';
import { badge, html, icon, nothing } from '../shared/view.js';

function cancelledText(job) {
  const c = job.cancellation;
  const at = job.ended_at ?? c.requested_at;
  return `Job Cancelled on ${date(at)} at ${dateTime(at).slice(11)} by ${c.requested_by.name}`;
}

/** A completed job is looked at and downloaded; doing it again stands back, as a picture alone. */
function againButton(job, id, name, label, onClick) {
  const small = job.status === 'completed';
  return html`<button type="button" id=${id} class="btn ${small ? 'icon-only' : ''} ${id === 'retry-job' && job.status === 'failed' ? 'primary' : ''}" aria-label=${label} title=${small ? label : nothing} @click=${onClick}>${icon(name)}${small ? nothing : label}</button>`;
}

const origin = (from) => `${from.kind === 'retry' ? 'Retry' : 'Copy'} of ${from.job_name}${from.from_step === null ? '' : ` from step ${from.from_step}`}`;

/**
 * Name, badge, facts and what may be done.
 * @param {object} job @param {{onCancel: () => void, onDelete: () => void, onPause: () => void, onResume: () => void, onRetry: () => void, onClone: () => void}} actions
 */
export function jobHeader(job, { onCancel, onDelete, onPause, onResume, onRetry, onClone }) {
  const may = (action) => job.allowed_actions.includes(action);
  const c = job.configuration;
  return html`<div class="page-head"><div><div class="title"><h1>${job.name}</h1><span id="job-badge">${badge(job.badge, job.status_sentence)}</span></div>
    <div class="meta"><span>${icon('box', 'sm')}${c.base_model.name}</span><span>${icon('cpu', 'sm')}${c.gpu.name} · ${c.gpu.tier === 'spot' ? 'spot' : 'on-demand'}</span>
      ${job.dataset ? html`<a href="/datasets/${job.dataset.id}">${icon('database', 'sm')}${job.dataset.name}</a>` : nothing}${job.origin ? html`<a href="/training-jobs/${job.origin.job_id}" title=${job.origin.job_name}>${icon(job.origin.kind === 'retry' ? 'rotate-ccw' : 'copy', 'sm')}${origin(job.origin)}</a>` : nothing}<span class="mono" title=${job.id}>${job.id}</span></div></div>
    <div class="actions">${job.model_id ? html`<a class="btn primary" href="/models/${job.model_id}">${icon('package')}View &amp; Download</a>` : nothing}
      ${job.started_at ? html`<a class="btn" href="/training-jobs/compare?ids=${job.id}">${icon('scale')}Compare</a>` : nothing}
      ${may('resume') ? html`<button type="button" id="resume-training" class="btn primary" @click=${() => onResume()}>${icon('play')}Resume Training</button>` : nothing}
      ${may('pause') ? html`<button type="button" id="pause-training" class="btn warning" title="Temporarily stop training and terminate GPU. Resume later from current progress." @click=${() => onPause()}>${icon('pause')}Pause Training</button>` : nothing}
      ${may('cancel') ? html`<button type="button" id="cancel-training" class="btn solid-danger ${job.cost.level === 'over' ? 'emphasised' : ''}" @click=${() => onCancel()}>${icon('triangle-alert')}Cancel Training</button>` : nothing}
      ${job.status === 'cancelled' && job.cancellation ? html`<span class="small muted">${cancelledText(job)}</span>` : nothing}
      ${may('retry') ? againButton(job, 'retry-job', 'rotate-ccw', job.status === 'failed' ? 'Retry with Suggestions' : 'Retry', () => onRetry()) : nothing}
      ${job.is_final && may('clone') ? againButton(job, 'clone-job', 'copy', job.status === 'cancelled' ? 'Clone Configuration' : 'Clone', () => onClone()) : nothing}
      ${may('delete') ? html`<button type="button" class="btn danger" @click=${() => onDelete()}>${icon('trash-2')}Delete</button>` : nothing}</div></div>`;
}

/**
 * Why a job failed and what can be done about it.
 * @param {object} job
 * @param {{onDetails: () => void, onRetry: (wanted?: string) => void}} act
 */
export function endNotice(job, { onDetails, onRetry }) {
  if (!job.error) return nothing;
  const may = job.allowed_actions.includes('retry');
  return html`<div class="notice end-notice" data-tone="danger" role="alert">${icon('circle-x')}<div class="notice-text"><b>${job.error.title}</b><br>${job.status_sentence}</div>
    <div class="row"><button type="button" class="btn sm" @click=${() => onDetails()}>View Error Details</button>
    ${may && canContinue(job) ? html`<button type="button" class="btn sm" @click=${() => onRetry('continue')}>Retry from This Stage</button>` : nothing}
    ${may ? html`<button type="button" class="btn sm" @click=${() => onRetry('same')}>Restart Job</button>` : nothing}</div></div>`;
}

/** Whether training got so far that a new job could go on from there. @param {object} job */
export function canContinue(job) {
  return job.checkpoint !== null && !['diverged', 'checkpoint_mismatch'].includes(job.end_reason);
}
