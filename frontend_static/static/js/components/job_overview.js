import { count, duration, hoursRange, learningRate, loss, percent, plural, usd } from '../shared/format.js';
import { flash } from '../shared/flash.js';
import { html, icon, keyValues, nothing, notice, progress, time } from '../shared/view.js';
import { tagPills } from './job_row.js';
import { sample } from './series.js';
import { BETTER, trendText } from './trend.js';

/** Folds the card it stands in, on phones. @param {string} title of the card */
export const foldButton = (title) => html`<button type="button" class="btn ghost sm icon-only fold" aria-expanded="true" aria-label=${title}>${icon('chevron-down')}</button>`;

const BAR_TONES = { completed: 'success', failed: 'danger' };
const plain = (digits, unit = '') => (value) => `${Number(value).toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })}${unit}`;

/** Seconds since the last answer that an active job has gone on for. */
function ticking(job, sinceMs) {
  const runs = !job.is_final && job.started_at && !['queued', 'paused'].includes(job.status);
  return runs ? Math.max(0, (Date.now() - sinceMs) / 1000) : 0;
}

/**
 * Percentage, steps, times and bar.
 * @param {object} job @param {number} receivedAtMs when it was read @param {unknown} stages rendered below the bar
 */
export function progressCard(job, receivedAtMs, stages) {
  const done = job.progress;
  const extra = ticking(job, receivedAtMs);
  const left = done.remaining_seconds === null ? null : Math.max(0, done.remaining_seconds - extra);
  const parts = [
    done.total_steps ? `Step ${count(done.step)} of ${count(done.total_steps)}` : null,
    done.epoch ? `Epoch ${done.epoch} of ${done.epochs}` : null,
  ].filter(Boolean);
  const times = [
    done.elapsed_seconds === null ? null : `${duration(done.elapsed_seconds + extra)} ${job.is_final ? 'in total' : 'elapsed'}`,
    left === null || job.is_final ? null : `about ${duration(left)} remaining`,
  ].filter(Boolean);
  return html`<section class="card" aria-label="Progress"><div class="body"><div class="prog-row"><span class="big">${percent(done.percent, 1)} <span class="sr">complete</span></span>
    <span class="sub">${parts.join(' · ') || 'Waiting to start'}</span><span class="eta">${times.join(' · ')}</span></div>
    ${progress(done.percent, 'Training progress', BAR_TONES[job.status] ?? '')}${stages}${job.error ? nothing : html`<p class="sentence">${job.status_sentence}</p>`}</div></section>`;
}

function sparkline(values) {
  const shown = sample(values ?? []);
  if (shown.length < 3) return nothing;
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low || 1;
  const path = shown.map((value, index) => `${((index / (shown.length - 1)) * 100).toFixed(1)} ${(28 - ((value - low) / span) * 26).toFixed(1)}`).join('L');
  return html`<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true"><path class="area" d="M${path}L100 30L0 30Z"></path><path d="M${path}"></path></svg>`;
}

const KPIS = [
  ['training_loss', 'Training loss', '', loss],
  ['validation_loss', 'Validation loss', '', loss],
  ['tokens_per_second', 'Throughput', 'tokens/sec', (value) => count(value)],
  ['gpu_utilization', 'GPU utilization', '%', plain(0)],
];

/** @param {object} metrics latest @param {Record<string, Array<number|null>>} series */
export function kpis(metrics, series) {
  return html`<dl class="kpis">${KPIS.map(([name, label, unit, show]) => {
    const metric = metrics?.[name];
    const known = metric && metric.value !== null;
    return html`<div class="card kpi"><dt>${label}</dt><dd><span class="v" ${flash(metric?.value)}>${known ? show(metric.value) : '–'}</span>${known && unit ? html`<span class="u">${unit}</span>` : nothing}
      ${known ? trendText(metric, BETTER[name] ?? 0) : nothing}</dd>${sparkline(series[name])}</div>`;
  })}</dl>`;
}

function metricRows(job) {
  const m = job.latest_metrics ?? {};
  const h = job.configuration?.hyperparameters;
  const memory = m.gpu_memory_gb?.value;
  const total = m.gpu_memory_total_gb?.value;
  const schedule = h ? ` (${h.scheduler} schedule, warmup: ${percent(h.warmup_ratio * 100)})` : '';
  return [
    ['training_loss', 'Training loss', loss],
    ['validation_loss', 'Validation loss', loss],
    ['learning_rate', 'Learning rate', learningRate, schedule],
    ['gpu_utilization', 'GPU utilization', plain(0, '%')],
    ['gpu_memory_gb', 'GPU memory', memory && total ? () => `${plain(0)(memory)}GB / ${plain(0)(total)}GB (${percent((memory / total) * 100)})` : plain(1, ' GB')],
    ['perplexity', 'Perplexity', plain(2)],
    ['tokens_per_second', 'Tokens / second', plain(0)],
    ['steps_per_hour', 'Steps / hour', plain(0)],
    ['grad_norm', 'Gradient norm', plain(3)],
  ].filter(([name]) => m[name]?.value !== null && m[name]?.value !== undefined);
}

/** @param {object} job @param {boolean} [full] with the former values */
export function metricsCard(job, full = false) {
  const m = job.latest_metrics;
  const rows = metricRows(job);
  const slow = m?.gpu_utilization?.value !== null && m?.gpu_utilization?.value < 50 && !job.is_final;
  return html`<section class="card" aria-labelledby="metrics-title"><header><h2 id="metrics-title">Metrics</h2>${m?.at ? html`<span class="small muted">${time(m.at)}</span>` : nothing}${foldButton('Metrics')}</header>
    ${rows.length === 0 ? html`<div class="pad muted small">No metrics data available yet. Metrics will appear as training progresses.</div>` : html`<table class="table metric-table"><thead class="sr"><tr><th scope="col">Metric</th><th scope="col">Latest</th></tr></thead>
      <tbody>${rows.map(([name, label, show, note]) => html`<tr><td>${label}</td><td class="num"><b ${flash(m[name].value)}>${show(m[name].value)}</b>${full && note ? html`<span class="muted">${note}</span>` : nothing} ${trendText(m[name], BETTER[name] ?? 0, full ? show : null)}</td></tr>`)}</tbody></table>`}
    ${slow ? html`<div class="pad">${notice('Low GPU utilization, possible bottleneck', undefined, 'warning')}</div>` : nothing}</section>`;
}

/** The cost goes on with every second of a rented GPU; nothing else need change for it. @returns {string} dollars */
export function spentNow({ cost }, sinceMs, nowMs = Date.now()) {
  if (!cost.accruing || !sinceMs) return cost.spent_usd;
  const spent = Number(cost.spent_usd) + (Math.max(0, nowMs - sinceMs) / 3_600_000) * Number(cost.hourly_rate_usd);
  return spent.toFixed(cost.spent_usd.split('.')[1]?.length ?? 2);
}

/** @param {object} job @param {number} [receivedAtMs] when it was read @param {string} [title] where a page shows more than one */
export function costCard(job, receivedAtMs = 0, title = 'Cost') {
  const c = { ...job.cost, spent_usd: spentNow(job, receivedAtMs) };
  const share = Number(c.percent_of_estimate ?? 0);
  const tone = share > 100 ? 'danger' : share >= 80 ? 'warning' : 'success';
  const tier = c.tier === 'spot' ? 'spot' : 'on-demand';
  const over = Number(c.spent_usd) > Number(c.estimated_high_usd ?? Infinity);
  return html`<section class="card" aria-label=${title}><header><h2>${title}</h2>${c.hourly_rate_usd ? html`<span class="badge num">${usd(c.hourly_rate_usd)}/hr (${tier})</span>` : nothing}${foldButton(title)}</header>
    <div class="body stack"><div><div class="money"><span ${flash(c.spent_usd)}>${usd(c.spent_usd)}</span></div><div class="small muted">${job.is_final && !c.accruing ? 'final cost' : 'spent so far'}${c.provisional && job.is_final ? ', provisional until billing is settled' : ''}</div></div>
    <div class="stack-2">${progress(share, 'Share of the estimate spent', tone)}<span class="small muted num">${percent(share)} of estimate</span></div>
    ${keyValues([
      ['Estimated Cost', `${usd(c.estimated_low_usd)} – ${usd(c.estimated_high_usd)}`],
      ...(c.projected_usd ? [['Projected final cost', usd(c.projected_usd)]] : []),
      ['Spend cap', html`<span class="row nowrap">${usd(c.spend_cap_usd)}<span class="muted" tabindex="0" role="img" aria-label="At the cap the job saves and exports its adapter, then stops." title="At the cap the job saves and exports its adapter, then stops. It never spends more.">${icon('shield-check', 'sm')}</span></span>`],
    ])}
    ${c.cleanup_pending ? notice('GPU cleanup pending. The cost shown keeps counting until the provider confirms that the GPU is gone.', undefined, 'warning') : nothing}
    ${over ? notice(`Cost Exceeding Estimate: Current ${usd(c.spent_usd)} vs estimated ${usd(c.estimated_high_usd)}. Monitor closely or consider cancelling.`, undefined, 'warning') : nothing}</div></section>`;
}

/** @param {object} job */
export function configurationCard(job) {
  const { configuration: c, dataset: d } = job;
  const h = c.hyperparameters;
  return html`<section class="card" aria-labelledby="config-title"><header><h2 id="config-title">Configuration</h2><span class="badge" data-tone=${c.preset_id}>${c.preset_name}</span>${foldButton('Configuration')}</header><div class="body">${keyValues([
    ['Base model', c.base_model.name],
    ['GPU', `${c.gpu.count}x ${c.gpu.name}`],
    ['Tier', c.gpu.tier === 'spot' ? 'Spot' : 'On-Demand'],
    ['Dataset', d ? html`<a class="link" href="/datasets/${d.id}">${d.name}</a>` : 'Removed'],
    ...(d?.training_pairs ? [['Training pairs', count(d.training_pairs)], ['Total tokens', count(d.tokens)]] : []),
    ['Learning rate', learningRate(h.learning_rate)],
    ['Batch size', `${h.batch_size} × ${plural(h.gradient_accumulation_steps, 'step')}`],
    ['Epochs', count(h.epochs)],
    ['Rank / alpha', `${h.rank} / ${h.alpha ?? 'N/A'}`],
    ['Dropout', String(h.dropout)],
    ...(job.estimate ? [['Estimated duration', hoursRange(job.estimate.duration_hours)]] : []),
  ])}</div></section>`;
}

/** @param {object} job @param {unknown} notes rendered notes @param {() => void} onEdit */
export function informationCard(job, notes, onEdit) {
  return html`<section class="card" aria-labelledby="info-title"><header><h2 id="info-title">Job information</h2>${job.allowed_actions.includes('edit_metadata') ? html`<button type="button" class="btn ghost sm" @click=${onEdit}>${icon('pencil', 'sm')}Edit</button>` : nothing}${foldButton('Job information')}</header>
    <div class="body stack">${job.description ? html`<p class="wrap-any">${job.description}</p>` : nothing}
    ${job.tags?.length ? html`<div class="row">${tagPills(job.tags)}</div>` : nothing}${job.notes ? html`<div class="prose small">${notes}</div>` : nothing}
    ${keyValues([['Created by', job.created_by.name], ['Created', time(job.created_at)], ['Started', time(job.started_at)], ['Ended', time(job.ended_at)], ['Last updated', time(job.changed_at)]])}</div></section>`;
}
