import { html } from '../shared/view.js';

/** Whether a fall (-1) or a rise (1) of a metric is an improvement; 0 where neither is. */
export const BETTER = { training_loss: -1, validation_loss: -1, perplexity: -1, tokens_per_second: 1, gpu_utilization: 1, steps_per_hour: 1 };

/**
 * @param {number|null} value
 * @param {number|null} previous
 * @param {number} [better] -1 when lower is better, 1 when higher is
 * @returns {{arrow: string, change: number, good: string}|null} null without a former value
 */
export function trend(value, previous, better = 0) {
  if (value === null || value === undefined || previous === null || previous === undefined || previous === 0) return null;
  const change = ((value - previous) / Math.abs(previous)) * 100;
  if (Math.abs(change) < 0.05) return { arrow: '—', change: 0, good: 'same' };
  const rising = change > 0;
  const good = better === 0 ? 'same' : Math.sign(change) === better ? 'yes' : 'no';
  return { arrow: rising ? '↑' : '↓', change, good };
}

/**
 * "↓ from 0.389 (-12.1%)", or the short "↓ 12.1%".
 * @param {{value: number|null, previous: number|null}} metric
 * @param {number} better
 * @param {((value: number) => string)|null} show null for the short form
 */
export function trendText(metric, better, show = null) {
  const found = trend(metric?.value, metric?.previous, better);
  if (!found) return html`<span class="delta"></span>`;
  const sign = found.change > 0 ? '+' : '';
  const long = show ? ` from ${show(metric.previous)} (${sign}${found.change.toFixed(1)}%)` : ` ${Math.abs(found.change).toFixed(1)}%`;
  return html`<span class="delta" data-good=${found.good}>${found.arrow}${found.change === 0 ? '' : long}</span>`;
}
