import { hoursRange, learningRate, percent, usdRange } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';
import { lockedReason } from './job_form.js';

const ICONS = { conservative: 'shield-check', balanced: 'scale', aggressive: 'rocket', fast: 'gauge', quality: 'star', custom: 'sliders-horizontal' };

function parameters(preset) {
  const h = preset.hyperparameters;
  return html`<span class="facts"><span>Rank <b>${h.rank}</b></span><span>LR <b>${learningRate(h.learning_rate)}</b></span><span>Epochs <b>${h.epochs}</b></span><span>Batch <b>${h.batch_size}</b></span></span>`;
}

function successBadge(history) {
  if (!history || history.success_rate === null) return nothing;
  return html`<span class="small muted">${percent(history.success_rate * 100)} success rate (based on ${history.completed + history.failed} jobs)</span>`;
}

/**
 * Presets as radio cards.
 * @param {object[]} presets @param {object} choice @param {Map<string, object>} estimates by preset id
 * @param {(id: string) => void} onChoose
 */
export function presetCards(presets, choice, estimates, onChoose) {
  return html`<div class="choices three" role="radiogroup" aria-label="Training preset">${presets.map((preset) => {
    const locked = lockedReason(preset, choice.dataset);
    const estimate = estimates.get(preset.id);
    return html`<label class="choice"><input type="radio" name="preset" value=${preset.id} ?disabled=${Boolean(locked)} .checked=${preset.id === choice.presetId} @change=${() => onChoose(preset.id)}>
      <span class="tick" aria-hidden="true">${icon('check', 'sm')}</span><span class="choice-title">${icon(ICONS[preset.id] ?? 'sliders-horizontal')}${preset.name}
      ${preset.risk ? html`<span class="badge" data-tone=${preset.risk.level} title=${preset.risk.tooltip}>${preset.risk.label} risk</span>` : nothing}</span>
      <p>${preset.description}</p>${preset.recommended_use ? html`<p class="small muted">${preset.recommended_use}</p>` : nothing}${parameters(preset)}
      ${estimate ? html`<span class="facts"><span><b>${usdRange(estimate.cost_usd)}</b></span><span>${hoursRange(estimate.duration_hours)}</span></span>` : nothing}
      ${successBadge(preset.history)}${locked ? html`<p class="small warning">${locked}</p>` : nothing}</label>`;
  })}</div>`;
}
