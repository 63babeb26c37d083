import { bytes, count, percent, usd, usdRange } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';
import { offeredTiers } from './job_form.js';

const HALF_PRECISION_BYTES = 2;
const TIERS = {
  spot: {
    title: 'Spot Instance (Recommended)',
    tooltip: 'Spot Instance: Unused datacenter capacity offered at discount - may be reclaimed if needed, but we automatically save progress and resume quickly',
    good: ['Resume within 10 minutes from last checkpoint (saved every 100 steps)', 'Best for non-urgent training, cost optimization'],
    trade: 'May be taken away; the job then resumes by itself',
  },
  on_demand: {
    title: 'On-Demand Instance',
    tooltip: 'On-Demand: A GPU that is not meant to be taken away during your job, at a higher price',
    good: ['Not meant to be interrupted, no recovery delays', 'Best for client deadlines, mission-critical training'],
    trade: 'Costs more for the same work',
  },
};

const rate = (gpu, tier, amount) => Number(gpu.prices[tier].usd_per_hour) * amount;

function savingsBadge(gpu) {
  if (offeredTiers(gpu).length < 2) return nothing;
  const [spot, dear] = [rate(gpu, 'spot', 1), rate(gpu, 'on_demand', 1)];
  if (spot >= dear) return nothing;
  return html`<span class="badge" data-tone="success">Save ${percent(((dear - spot) / dear) * 100)} (${usd(dear - spot)}/hr)</span>`;
}

function tierCard(gpu, tier, choice, estimate, onChoose) {
  const text = TIERS[tier];
  const total = estimate?.tiers?.[tier]?.cost_usd;
  return html`<label class="choice" title=${text.tooltip}><input type="radio" name="tier" value=${tier} .checked=${choice.gpu.tier === tier} @change=${() => onChoose(tier)}>
    <span class="tick" aria-hidden="true">${icon('check', 'sm')}</span><span class="choice-title">${text.title}${tier === 'spot' ? savingsBadge(gpu) : nothing}</span>
    <div class="tier-price">${usd(rate(gpu, tier, choice.gpu.count))}<small>/hr${choice.gpu.count > 1 ? ` for ${choice.gpu.count} GPUs` : ''}${gpu.prices[tier].source === 'live' ? '' : ' (list price)'}</small></div>
    ${total ? html`<p class="num"><b>${usdRange(total)}</b> in total</p>` : nothing}
    <ul class="bullets">${text.good.map((line) => html`<li>${icon('check', 'sm success')}${line}</li>`)}<li>${icon('minus', 'sm')}${text.trade}</li></ul></label>`;
}

const AVAILABILITY = { LOW: 'Low availability: starting may take longer', NONE: 'None free right now: the job waits for one' };

/**
 * Base model, GPU type, count and tier.
 * @param {object} catalog @param {object} choice @param {object|null} estimate @param {(change: object) => void} onChange of the choice
 * @param {boolean} [isLocked] a checkpoint decides the base model and the number of GPUs
 */
export function gpuSection(catalog, choice, estimate, onChange, isLocked = false) {
  const gpu = catalog.gpus.find((one) => one.type === choice.gpu.type);
  const model = catalog.base_models.find((one) => one.id === choice.baseModel);
  const setGpu = (change) => onChange({ gpu: { ...choice.gpu, ...change } });
  const chooseType = (type) => {
    const tiers = offeredTiers(catalog.gpus.find((one) => one.type === type));
    setGpu({ type, ...(isLocked ? {} : { count: 1 }), tier: tiers.includes(choice.gpu.tier) ? choice.gpu.tier : tiers[0] });
  };
  const note = AVAILABILITY[gpu?.availability];
  return html`<div class="stack"><div class="two-fields">
    <div class="field"><label for="base-model">Base model</label><select class="select" id="base-model" ?disabled=${isLocked} @change=${(event) => onChange({ baseModel: event.target.value })}>
      ${catalog.base_models.map((one) => html`<option value=${one.id} ?disabled=${!one.available} ?selected=${one.id === choice.baseModel}>${one.name}${one.available ? '' : ' (not available)'}</option>`)}</select>
      ${model ? html`<p class="hint">${(model.parameters / 1e9).toFixed(model.parameters < 1e9 ? 2 : 1)}B parameters · ${count(model.context_length)} tokens context · licence ${model.license}${model.license_accept_required ? ', to be accepted at its publisher' : ''}</p>` : nothing}
      ${model?.note ? html`<p class="hint">${model.note}</p>` : nothing}
      ${model ? html`<label class="check"><input type="checkbox" id="export-merged" .checked=${choice.exportMerged} @change=${(event) => onChange({ exportMerged: event.target.checked })}>Also export a merged model (about ${bytes(model.parameters * HALF_PRECISION_BYTES)})</label>
      <p class="hint">The whole model with the adapter built in, for servers that load no adapters; the GPU is billed while it is stored.</p>` : nothing}</div>
    <div class="field"><label for="gpu-type">GPU Type</label><select class="select" id="gpu-type" @change=${(event) => chooseType(event.target.value)}>
      ${catalog.gpus.map((one) => html`<option value=${one.type} ?disabled=${!one.available} ?selected=${one.type === choice.gpu.type}>${one.name}${one.available ? '' : ' (not offered)'}${one.note ? ` - ${one.note}` : ''}</option>`)}</select>
      ${note ? html`<p class="hint warning">${note}</p>` : nothing}</div></div>
    ${gpu && gpu.max_count > 1 ? html`<div class="field"><label for="gpu-count">Number of GPUs <span class="counter num">${choice.gpu.count}</span></label>
      <input type="range" id="gpu-count" ?disabled=${isLocked} min="1" max=${gpu.max_count} .value=${String(choice.gpu.count)} @input=${(event) => setGpu({ count: Number(event.target.value) })}>
      <p class="hint">Every GPU is billed and holds the whole model. A step is divided among them: the estimate says how much sooner the job ends, and the model needs no more memory per GPU.</p></div>` : nothing}
    ${gpu ? html`<div class="choices two" role="radiogroup" aria-label="Tier">${offeredTiers(gpu).map((tier) => tierCard(gpu, tier, choice, estimate, (value) => setGpu({ tier: value })))}</div>` : nothing}</div>`;
}
