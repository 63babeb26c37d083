import { count, dateTime, hoursRange, percent, usd, usdRange } from '../shared/format.js';
import { html, icon, keyValues, nothing, notice } from '../shared/view.js';

const LEVEL_TONES = { error: 'danger', blocker: 'danger', warning: 'warning', info: 'info' };

/** @param {object} estimate @param {object|null} previous @returns {{text: string, cheaper: boolean}|null} difference of the expected cost */
export function costChange(estimate, previous) {
  if (!estimate || !previous) return null;
  const difference = Number(estimate.cost_usd.expected) - Number(previous.cost_usd.expected);
  if (Math.abs(difference) < 0.005) return null;
  const share = Number(previous.cost_usd.expected) ? ` (${percent(Math.abs(difference / Number(previous.cost_usd.expected)) * 100)})` : '';
  return difference > 0
    ? { text: `↑ ${usd(difference)} higher than previous estimate${share}`, cheaper: false }
    : { text: `↓ ${usd(-difference)} savings vs previous${share}`, cheaper: true };
}

/** Notices of an estimate: blockers first. @param {object} estimate */
export function estimateNotices(estimate) {
  const text = (item) => (typeof item === 'string' ? item : item.message);
  const items = [...(estimate.blockers ?? []).map((item) => ['danger', text(item)]), ...(estimate.warnings ?? []).map((item) => [LEVEL_TONES[item.level] ?? 'warning', text(item)])];
  if (estimate.memory && !estimate.memory.fits && !items.some(([, message]) => message === estimate.memory.message)) items.unshift(['danger', estimate.memory.message]);
  return items.map(([tone, message]) => notice(message, undefined, tone));
}

function tierBars(estimate) {
  const { spot, on_demand: dear } = estimate.tiers ?? {};
  if (!spot || !dear) return nothing;
  const most = Math.max(Number(spot.cost_usd.expected), Number(dear.cost_usd.expected)) || 1;
  const bar = (label, tier, tone) => html`<div><span class="num"><span>${label}</span><b>${usd(tier.cost_usd.expected)}</b></span><div class="progress thin" data-tone=${tone}><i .style=${`inline-size:${(Number(tier.cost_usd.expected) / most) * 100}%`}></i></div></div>`;
  return html`<div class="tier-bars more">${bar('Spot', spot, 'success')}${bar('On-Demand', dear, '')}
    ${Number(estimate.tiers.savings_usd) > 0 ? html`<span class="success num">Spot saves ${usd(estimate.tiers.savings_usd)} (${percent(estimate.tiers.savings_percent)})</span>` : nothing}</div>`;
}

function details(estimate) {
  return html`<hr class="more"><div class="more">${keyValues(estimate.breakdown.map((line) => [html`<span title=${line.detail}>${line.label}</span>`, html`${usd(line.usd)} <span class="small muted">${line.detail}</span>`]))}</div>
    <hr class="more">${tierBars(estimate)}<div class="more">${keyValues([
      ['Hourly Rate', `${usd(estimate.hourly_rate_usd)}/hr`], ['Total Steps', count(estimate.total_steps)], ['Throughput', `${count(estimate.throughput_tokens_per_second)} tok/s`],
      ['Memory', estimate.memory?.message ?? '–'], ['Estimated completion', dateTime(estimate.estimated_completion_at)],
    ])}</div><p class="small muted more">${estimate.accuracy?.sentence ?? ''} <span class="mono">${estimate.model_version}</span></p>`;
}

/**
 * The estimate, always in view.
 * @param {{estimate: object|null, previous: object|null, busy: boolean, error: Error|null}} state
 * @param {unknown} actions buttons
 * @param {() => void} onRetry
 */
export function estimatePanel({ estimate, previous, busy, error }, actions, onRetry) {
  const change = costChange(estimate, previous);
  return html`<section class="card estimate-card" aria-labelledby="estimate-title"><header><h2 id="estimate-title">Estimate</h2>${busy ? html`<span class="small muted row">${icon('refresh-cw', 'sm')}Calculating…</span>` : nothing}</header>
    <div class="body ${busy && estimate ? 'is-busy' : ''}"><div aria-live="polite" aria-atomic="true">${estimate
      ? html`<div class="estimate-total" id="estimate-total">${usdRange(estimate.cost_usd)}</div><div class="estimate-time">${hoursRange(estimate.duration_hours)}</div>
        <div class="change ${change?.cheaper ? 'success' : 'danger'}">${change?.text ?? ''}</div>`
      : html`<div class="muted small">${busy ? 'Calculating cost estimate...' : 'Choose a dataset to see what training will cost.'}</div>`}</div>
    ${error || estimate ? html`<div class="notices stack-2">${error ? notice(`Cost estimation failed. ${error.message}`, onRetry) : estimateNotices(estimate)}</div>` : nothing}
    ${estimate ? details(estimate) : nothing}${actions}</div></section>`;
}
