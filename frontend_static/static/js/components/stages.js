import { duration, percent, spokenDuration } from '../shared/format.js';
import { cheer } from '../shared/flash.js';
import { html, icon, nothing } from '../shared/view.js';

const VARIES = 'Duration varies by dataset size, GPU availability, and model cache status';

function activeSeconds(stage, nowMs) {
  return stage.started_at ? Math.max(0, (nowMs - Date.parse(stage.started_at)) / 1000) : null;
}

function line(stage, nowMs) {
  if (stage.state === 'completed') return `✓ ${duration(stage.duration_seconds)}`;
  if (stage.state === 'failed') return `Failed: ${stage.error ?? 'see details'}`;
  if (stage.state === 'active') return `${duration(activeSeconds(stage, nowMs))} · ${stage.estimate ?? ''}`;
  if (stage.state === 'stopped') return `Stopped at ${percent(stage.progress * 100)}`;
  return 'Waiting...';
}

function spoken(stage, nowMs) {
  const words = {
    completed: `Completed in ${spokenDuration(stage.duration_seconds)}`,
    active: `In progress, ${percent(stage.progress * 100)} complete, ${spokenDuration(activeSeconds(stage, nowMs))} so far`,
    failed: `Failed: ${stage.error ?? 'see details'}`,
    stopped: `Stopped at ${percent(stage.progress * 100)}`,
  };
  return words[stage.state] ?? 'Waiting';
}

const marks = { completed: icon('check', 'sm'), failed: icon('x', 'sm') };

/**
 * The four stages of a job. Choosing one opens its log.
 * @param {object[]} stages of the API
 * @param {(stage: object) => void} onOpen
 * @param {number} [nowMs] so that the running stage counts up between polls
 */
export function stageList(stages, onOpen, nowMs = Date.now()) {
  return html`<ol class="stages" aria-label="Stages">${stages.map((stage, index) => html`<li><button type="button" class="stage" data-state=${stage.state} ${cheer(stage.state)}
    title=${stage.state === 'pending' ? VARIES : stage.message ?? stage.label} @click=${() => onOpen(stage)}>
    <span class="stage-n num" aria-hidden="true">${marks[stage.state] ?? index + 1}</span><span class="cut"><span class="sr">Stage ${index + 1} of ${stages.length}: </span>${stage.label}<span class="sr"> - ${spoken(stage, nowMs)}</span></span><small class="num" aria-hidden="true">${line(stage, nowMs)}</small>
    <span class="stage-bar"><i .style=${`inline-size:${Math.round((stage.progress ?? 0) * 100)}%`}></i></span></button></li>`)}</ol>`;
}

/**
 * Below the stages of a failed job: which one failed and, cut short, with what.
 * @param {object} job @param {(stage: object) => void} onOpen
 */
export function failedStage(job, onOpen) {
  const stage = job.stages.find((one) => one.state === 'failed');
  if (!stage || !job.error) return nothing;
  return html`<p class="stage-error">${icon('circle-x', 'sm')}<b>Failed: ${job.error.title}</b><span class="cut" title=${job.error.message}>${job.error.message}</span>
    <button type="button" class="btn ghost sm" @click=${() => onOpen(stage)}>View Details</button></p>`;
}

/**
 * What a stage that ended meanwhile is told with.
 * @param {object[]} before stages as they were @param {object[]} after stages as they are
 * @returns {string|null} null when none was completed
 */
export function stageNews(before, after) {
  const ended = after.filter((stage, index) => stage.state === 'completed' && before[index]?.state !== 'completed');
  if (!ended.length) return null;
  const active = after.find((stage) => stage.state === 'active');
  const sentence = (text) => `${text[0]}${text.slice(1).toLowerCase()}`;
  return `Training stage updated: ${sentence(ended.at(-1).label)} complete${active ? `, ${active.label.toLowerCase()} started` : ''}`;
}
