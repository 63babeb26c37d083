import { ago, bytes, count, dateTime, duration, plural, usd } from '../shared/format.js';
import { empty, html, icon, keyValues, nothing, time } from '../shared/view.js';

function attemptRow(attempt) {
  const tone = attempt.ended_at ? 'neutral' : 'running';
  return html`<li class="attempt"><span class="badge" data-tone=${tone}>Attempt ${attempt.attempt}</span><b>${attempt.gpu} · ${attempt.tier === 'spot' ? 'Spot' : 'On-Demand'}</b>
    <span class="num">${usd(attempt.cost_usd)}</span><span class="sub">${attempt.ended_at ? `${attempt.end ?? attempt.status} · ${duration(attempt.billed_seconds)} billed` : `${attempt.status} · ${duration(attempt.billed_seconds)} so far`}
    · ${usd(attempt.hourly_rate_usd)}/hr${attempt.data_center_id ? ` · ${attempt.data_center_id}` : ''}${attempt.resumed_from_step === null ? '' : ` · resumed from step ${count(attempt.resumed_from_step)}`}</span>
    <span class="sub">External Job ID <span class="mono">${attempt.pod_id ?? '–'}</span>${attempt.created_at ? ` · from ${dateTime(attempt.created_at)}` : ''}${attempt.ended_at ? ` to ${dateTime(attempt.ended_at)}` : ''}</span></li>`;
}

/** @param {object} job */
export function attemptsCard(job) {
  return html`<section class="card" aria-labelledby="attempts-title"><header><h2 id="attempts-title">GPU attempts</h2></header>
    ${job.attempts.length ? html`<ul>${job.attempts.map(attemptRow)}</ul>` : html`<p class="pad muted small">No GPU has been rented for this job.</p>`}</section>`;
}

const VERDICTS = {
  exact: ['success', 'shield-check', 'Exact'],
  'state hash only': ['neutral', 'shield-check', 'State verified'],
  'within tolerance': ['warning', 'shield-check', 'Within tolerance'],
  diverged: ['danger', 'triangle-alert', 'Diverged'],
};

function certificateCard(certificate) {
  if (!certificate) return nothing;
  const [tone, mark, word] = VERDICTS[certificate.verdict] ?? VERDICTS['state hash only'];
  return html`<section class="card" aria-labelledby="certificate-title"><header><h2 id="certificate-title">Resume certificate</h2><span class="badge" data-tone=${tone}>${icon(mark, 'sm')}${word}</span></header>
    <div class="body stack-2"><p>${certificate.sentence}</p>
    ${keyValues([['Resumes', count(certificate.resumes ?? 1)], ['Last resumed from step', count(certificate.resumed_from_step)], ['Steps compared', count(certificate.steps_compared)],
      ['Largest difference in loss', certificate.largest_difference === null ? '–' : String(certificate.largest_difference)],
      ['SHA-256 of the restored state', html`<span class="mono">${certificate.state_sha256 ?? '–'}</span>`]])}</div></section>`;
}

const NEAR_STEPS = 100;

/** How far the end was from it: after a cancellation only a near one is worth the name "last". */
function distance(job) {
  const steps = job.progress.step - job.checkpoint.step;
  if (!job.is_final || job.status === 'completed' || steps < 0) return null;
  return { near: steps <= NEAR_STEPS, text: steps === 0 ? 'at the very end' : `${plural(steps, 'step')} before the end` };
}

function checkpointCard(job, kept, onCheckpoint) {
  const { checkpoint } = job;
  if (!checkpoint) return empty('No checkpoint yet', 'The first one is saved within 100 steps or five minutes.', nothing, 'save');
  const from = distance(job);
  const earlier = kept.filter((one) => one.step !== checkpoint.step);
  const button = from && !from.near ? `Download Checkpoint of Step ${count(checkpoint.step)}` : 'Download Last Checkpoint';
  return html`<div class="body stack">${keyValues([['Step', `${count(checkpoint.step)}${from ? `, ${from.text}` : ''}`], ['Saved', html`${time(checkpoint.at)} <span class="muted">(${ago(checkpoint.at)})</span>`], ['Size', bytes(checkpoint.size_bytes)],
      ['Attempt', checkpoint.attempt === 0 && job.origin ? html`<a class="link" href="/training-jobs/${job.origin.job_id}">copied from ${job.origin.job_name}</a>` : String(checkpoint.attempt)]])}
    <p class="small muted">It holds a loadable adapter and all it takes to go on training.</p>
    <button type="button" class="btn" @click=${() => onCheckpoint(checkpoint.step)}>${icon('download')}${button}</button>
    ${earlier.length ? html`<div class="stack-2"><h3>Earlier</h3>${earlier.map((one) => html`<div class="row small"><span class="grow num">Step ${count(one.step)} · ${bytes(one.size_bytes)} · ${time(one.at)}</span>
      <button type="button" class="btn ghost sm" aria-label="Download the checkpoint of step ${one.step}" @click=${() => onCheckpoint(one.step)}>${icon('download', 'sm')}Download</button></div>`)}</div>` : nothing}</div>`;
}

/**
 * What a job leaves behind: model, last checkpoint, GPU attempts, proof of an exact resume.
 * @param {object} job
 * @param {object[]} kept every checkpoint it keeps, once that is known
 * @param {{onCheckpoint: (step: number) => void}} actions
 */
export function artifacts(job, kept, { onCheckpoint }) {
  return html`<div class="halves"><div class="stack"><section class="card" aria-labelledby="model-title"><header><h2 id="model-title">Model</h2></header>
    ${job.model_id ? html`<div class="body row"><span class="grow">The adapter, its configuration and the training summary are stored and verified.</span><a class="btn primary" href="/models/${job.model_id}">${icon('package')}View &amp; Download</a></div>`
      : empty(job.is_final ? 'This job left no model' : 'No model yet', job.is_final ? 'The last checkpoint below holds a loadable adapter.' : 'It appears here when the job completes.', nothing, 'package')}</section>
    <section class="card" aria-labelledby="checkpoint-title"><header><h2 id="checkpoint-title">Last checkpoint</h2></header>
    ${checkpointCard(job, kept, onCheckpoint)}</section>
    ${certificateCard(job.certificate)}</div>${attemptsCard(job)}</div>`;
}
