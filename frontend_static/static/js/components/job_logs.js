import { get, query } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { duration, plural } from '../shared/format.js';
import { html, icon, keyValues, nothing, notice, render, time } from '../shared/view.js';
import { eventRow } from './event_row.js';

const MOST = 100;
const STAGE_TYPES = ['status', 'checkpoint', 'warning', 'error', 'info'];

/** Events under a heading; they are fetched when the dialog is open, so that it opens at once. */
function withEvents(path, title, content, footer = () => nothing) {
  const dialog = createDialog('details-title', 'wide details-dialog');
  const state = { page: null, error: null };
  async function load() {
    try {
      Object.assign(state, { page: await get(path), error: null });
    } catch (error) {
      state.error = error;
    }
    paint();
  }
  function log() {
    if (state.error) return notice(`Unable to load event log. ${state.error.message}`, load);
    if (!state.page) return html`<div class="stack-2" aria-busy="true">${[1, 2, 3].map(() => html`<span class="skeleton h-20"></span>`)}</div>`;
    const { events, pagination } = state.page;
    if (!events.length) return html`<p class="muted small">Nothing was logged.</p>`;
    return html`<ul class="log short boxed" aria-label="Events">${events.map((event) => eventRow(event, { short: true, repaint: paint }))}</ul>
      ${pagination.total > events.length ? html`<p class="small muted">The first ${MOST} of ${plural(pagination.total, 'line')}; the event log has them all.</p>` : nothing}`;
  }
  function paint() {
    if (!dialog.isConnected) return;
    render(html`<div class="modal-body"><h2 id="details-title">${title}</h2>${content}${log()}</div><footer>${footer(dialog)}<button type="button" class="btn" autofocus @click=${() => dialog.close()}>Close</button></footer>`, dialog);
  }
  paint();
  openDialog(dialog);
  load();
}

/** What went wrong, with every error and warning of the log. @param {object} job a failed one @param {() => void} onLog opens the event log */
export function openErrorDetails(job, onLog) {
  const { error } = job;
  const content = html`<p>${error.message}</p>${keyValues([['Reason', error.end_reason], ['At', time(error.at)], ['Job', html`<span class="mono">${job.id}</span>`]])}
    ${error.stack ? html`<pre class="code" tabindex="0" aria-label="Stack trace">${error.stack}</pre>` : nothing}<h3>Errors and warnings</h3>`;
  withEvents(`/jobs/${job.id}/events${query({ type: ['error', 'warning'], sort: 'desc', limit: MOST })}`, error.title, content, (dialog) => logButton(dialog, onLog));
}

const logButton = (dialog, onLog) => html`<button type="button" class="btn" @click=${() => { dialog.close(); onLog(); }}>${icon('file-text')}Open event log</button>`;

/** @param {object} stage @returns {string} where it stands, e.g. "Preprocessing completed in 3m 42s" */
export function stageSentence(stage, nowMs = Date.now()) {
  const label = stage.label[0] + stage.label.slice(1).toLowerCase();
  const cache = /\(model cache (?:hit|miss)\)/.exec(stage.message ?? '');
  const since = stage.started_at ? (nowMs - Date.parse(stage.started_at)) / 1000 : 0;
  const said = {
    completed: `${label} completed in ${duration(stage.duration_seconds)}${cache ? ` ${cache[0]}` : ''}`,
    active: `${label} in progress: ${duration(since)} elapsed...`,
    failed: `${label} failed: ${stage.error ?? 'see the log'}`,
    stopped: `${label} was stopped`,
  };
  return said[stage.state] ?? `${label} pending...`;
}

/**
 * The timestamped log of one stage.
 * @param {object} job @param {object} stage
 * @param {{onLog: () => void, onRetry: (() => void)|null}} act onRetry: "Retry from This Stage", where it makes sense
 */
export function openStageDetails(job, stage, { onLog, onRetry }) {
  const content = html`<p><b>${stageSentence(stage)}</b></p>${stage.error ? notice(job.error?.message ?? stage.error) : nothing}
    ${stage.message && stage.state !== 'completed' ? html`<p>${stage.message}</p>` : nothing}
    ${keyValues([['Started', time(stage.started_at)], ['Completed', time(stage.completed_at)], ['Estimate', stage.estimate ?? '–']])}`;
  const retry = (dialog) => (onRetry ? html`<button type="button" class="btn primary" @click=${() => { dialog.close(); onRetry(); }}>${icon('rotate-ccw')}Retry from This Stage</button>` : nothing);
  const range = stage.started_at ? { from: stage.started_at, to: stage.completed_at ?? job.ended_at } : { from: '9999-01-01T00:00:00Z' };
  withEvents(`/jobs/${job.id}/events${query({ type: STAGE_TYPES, sort: 'asc', limit: MOST, ...range })}`, stage.label, content, (dialog) => html`${retry(dialog)}${logButton(dialog, onLog)}`);
}
