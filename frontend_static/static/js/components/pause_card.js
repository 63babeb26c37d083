import { bytes, count, date, dateTime, duration, usd } from '../shared/format.js';
import { html, icon, keyValues, nothing, time } from '../shared/view.js';

const WORDS = { started: 'Started', paused: 'Paused', resumed: 'Resumed', completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled' };

function length(moment) {
  if (moment.seconds === null) return nothing;
  return html` <span class="muted">(${duration(moment.seconds)} ${moment.what === 'resumed' ? 'paused' : 'active'})</span>`;
}

function timeline(job) {
  return html`<ol class="pause-history" aria-label="Pauses">${job.history.map((moment) => html`<li data-what=${moment.what}><span>${WORDS[moment.what] ?? moment.what}: ${time(moment.at)}${length(moment)}</span></li>`)}</ol>
    <p class="small muted num">${duration(job.times.active_seconds)} active training, ${duration(job.times.paused_seconds)} paused, ${duration(job.times.elapsed_seconds)} elapsed</p>`;
}

function pausedAt(pause) {
  if (!pause.paused_at) return 'Saving a checkpoint before the GPU is released';
  const where = pause.step === null ? 'before its first checkpoint' : `at step ${count(pause.step)}`;
  return `Training paused ${where} on ${date(pause.paused_at)} at ${dateTime(pause.paused_at).slice(11)}`;
}

/**
 * What a paused job has and goes on from, and the history of a job that was ever paused.
 * @param {object} job
 */
export function pauseCard(job) {
  if (!job.pause && !(job.history ?? []).some((moment) => moment.what === 'paused')) return nothing;
  const { pause } = job;
  const rows = [
    ['Active Training Time', duration(job.times.active_seconds)],
    ['Paused Time', duration(job.times.paused_seconds)],
    ['Total Elapsed', duration(job.times.elapsed_seconds)],
    ['Cost', `${usd(job.cost.spent_usd)} (based on active time only)`],
    ...(pause?.checkpoint_size_bytes ? [['Checkpoint saved', bytes(pause.checkpoint_size_bytes)]] : []),
    ...(pause?.kept_until ? [['Kept until', time(pause.kept_until)]] : []),
  ];
  return html`<section class="card pause-card" aria-labelledby="pause-card-title"><header><h2 id="pause-card-title">${icon('pause', 'sm')}${pause ? 'Paused' : 'Pauses'}</h2></header>
    <div class="body stack">${pause ? html`<p><b>${pausedAt(pause)}</b></p>` : nothing}<div class="pause-parts">${keyValues(rows)}<div>${timeline(job)}</div></div></div></section>`;
}
