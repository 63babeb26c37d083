import { createDialog, openDialog } from '../shared/dialog.js';
import { bytes, count, hoursRange, learningRate, percent, plural, usd, usdRange } from '../shared/format.js';
import { html, icon, keyValues, nothing, notice, render } from '../shared/view.js';
import { estimateNotices } from './estimate_panel.js';

const MODULES = { q_proj: 'Query', k_proj: 'Key', v_proj: 'Value', o_proj: 'Output', gate_proj: 'Gate', up_proj: 'Up', down_proj: 'Down' };
const HIGH_COST_USD = 100;
const LONG_HOURS = 20;
const STARTING = { confirm: 'Start Training', busy: 'Creating Job...' };

function datasetCard(dataset) {
  const scores = Object.entries(dataset.quality?.scores ?? {}).map(([name, score]) => `${name[0].toUpperCase() + name.slice(1)}: ${score}/5${score >= 4 ? ' ✓' : ''}`);
  const kinds = [['personas', 'persona'], ['emotional_arcs', 'emotional arc'], ['topics', 'topic']].filter(([key]) => dataset.scaffolding?.[key]?.length);
  return html`<section class="card" aria-labelledby="review-dataset"><header><h3 id="review-dataset">Dataset</h3></header><div class="body stack-2"><b>${dataset.name}</b>
    <span>${plural(dataset.conversations, 'conversation')}, ${plural(dataset.training_pairs, 'training pair')}</span><span class="muted">${dataset.file_name} · ${bytes(dataset.size_bytes)}</span>
    ${scores.length ? html`<span>${scores.join(', ')}</span>` : html`<span class="muted">Not scored</span>`}
    ${kinds.length ? html`<span>${kinds.map(([key, word]) => plural(dataset.scaffolding[key].length, word)).join(', ')}</span>` : nothing}
    ${dataset.human_review ? html`<span>${percent(dataset.human_review.share * 100)} human-reviewed</span>` : nothing}</div></section>`;
}

function parametersCard(preset, values, help) {
  const named = (label, key, shown) => [html`<span class="tip" tabindex="0" title=${help[key] ?? label}>${label}</span>`, shown];
  return html`<section class="card" aria-labelledby="review-parameters"><header><h3 id="review-parameters">Hyperparameters</h3><span class="badge" data-tone=${preset.id}>${preset.name}</span></header><div class="body stack-2">
    <p class="small muted">Hover over any parameter for explanation</p>${keyValues([
      named('LoRA Rank (r)', 'rank', values.rank), named('Learning Rate', 'learning_rate', learningRate(values.learning_rate)), named('Training Epochs', 'epochs', values.epochs),
      named('Batch Size', 'batch_size', values.batch_size), named('Gradient Accumulation', 'gradient_accumulation_steps', plural(values.gradient_accumulation_steps, 'step')),
      named('LoRA Alpha', 'alpha', values.alpha), named('Dropout Rate', 'dropout', values.dropout),
      named('Target Modules', 'target_modules', `${(values.target_modules ?? []).map((name) => MODULES[name] ?? name).join(', ')} projections`),
    ])}</div></section>`;
}

function gpuCard(choice, gpu, model, estimate) {
  const spot = choice.gpu.tier === 'spot';
  const saved = estimate.tiers?.savings_percent;
  return html`<section class="card" aria-labelledby="review-gpu"><header><h3 id="review-gpu">GPU &amp; model</h3></header><div class="body stack-2"><b>${choice.gpu.count}x ${gpu.name}</b>
    <span>${spot ? `Spot Instance${saved > 0 ? ` - Save ${percent(saved)}` : ''}` : 'On-Demand Instance'}</span><span class="num">${usd(estimate.hourly_rate_usd)}/hr</span>
    <span class="muted">${spot ? 'Automatic checkpoint recovery <10 minutes' : 'Not meant to be interrupted'}</span><span class="muted">2-5 minutes to start</span><span>${model.name}</span></div></section>`;
}

function costSection(choice, estimate) {
  const total = estimate.breakdown.reduce((sum, line) => sum + Number(line.usd), 0) || 1;
  return html`<section class="card" aria-labelledby="review-cost"><header><h3 id="review-cost">Cost</h3><b class="num">${usdRange(estimate.cost_usd)}</b></header><div class="body stack">
    ${estimate.breakdown.map((line) => html`<div class="share-bar"><span class="row small"><span>${line.label}</span><span class="right num"><b>${usd(line.usd)}</b> <span class="muted">(${line.detail}) [${percent((Number(line.usd) / total) * 100)} of total]</span></span></span>
      <div class="progress thin"><i .style=${`inline-size:${(Number(line.usd) / total) * 100}%`}></i></div></div>`)}
    ${keyValues([['Duration', hoursRange(estimate.duration_hours)], ['Total steps', count(estimate.total_steps)], ['Spend cap', usd(choice.spendCap || estimate.spend_cap_usd)]])}
    <p class="small muted">${estimate.accuracy?.sentence ?? ''} At the spend cap the job saves and exports its adapter, then stops.</p></div></section>`;
}

function extraWarnings(choice, estimate) {
  const high = Number(estimate.cost_usd.high);
  return [
    high > HIGH_COST_USD ? `⚠ High-Cost Training Run: This job will cost up to ${usd(high)}. Consider Conservative preset to reduce cost.` : null,
    choice.presetId === 'aggressive' ? '⚠ Advanced Configuration: Aggressive parameters may take longer and cost more. Recommended only for complex datasets.' : null,
    estimate.duration_hours.high > LONG_HOURS && choice.gpu.tier === 'spot' ? '⚠ Extended Training Time: This job may take over 20 hours. Spot interruptions are more likely for long runs.' : null,
  ].filter(Boolean).map((text) => notice(text, undefined, 'warning'));
}

/**
 * The last look before money is spent: everything chosen, and three confirmations.
 * @param {{choice: object, estimate: object, catalog: object, values: object}} facts
 * @param {{start: (acknowledged: object) => Promise<void>, leave: () => void, words?: {confirm: string, busy: string}}} actions `start` throws what went wrong
 */
export function openReview({ choice, estimate, catalog, values }, { start, leave, words = STARTING }) {
  const state = { configuration: false, cost: false, budget: false, busy: false, error: null };
  const dialog = createDialog('review-title', 'full');
  const preset = catalog.presets.find((one) => one.id === choice.presetId);
  const gpu = catalog.gpus.find((one) => one.type === choice.gpu.type);
  const model = catalog.base_models.find((one) => one.id === choice.baseModel);
  const set = (change) => {
    Object.assign(state, change);
    paint();
  };
  const consent = (name, text) => html`<label class="check"><input type="checkbox" id="ack-${name}" .checked=${state[name]} @change=${(event) => set({ [name]: event.target.checked })}>${text}</label>`;
  async function confirm() {
    set({ busy: true, error: null });
    try {
      await start({ configuration: true, cost: true, budget: true });
    } catch (error) {
      set({ busy: false, error: error.message });
    }
  }
  function paint() {
    const ready = state.configuration && state.cost && state.budget && !state.busy && estimate.eligible !== false;
    render(
      html`<div class="modal-body"><h2 id="review-title">${icon('triangle-alert', 'warning lg')}Review Training Configuration - Final Check Before Starting</h2>
        <p class="num"><b>Total Estimated Cost: ${usdRange(estimate.cost_usd)}</b> · ${choice.name}</p>
        <div class="stack-2">${estimateNotices(estimate)}${extraWarnings(choice, estimate)}</div>
        <div class="review">${datasetCard(choice.dataset)}${parametersCard(preset, values, catalog.hyperparameter_help)}${gpuCard(choice, gpu, model, estimate)}${costSection(choice, estimate)}</div>
        <div class="consents" role="group" aria-label="Confirmations">${consent('configuration', 'I have reviewed the complete training configuration above and confirm all settings are correct')}
        ${consent('cost', `I understand the estimated cost (${usdRange(estimate.cost_usd)}) and agree to proceed with charges within this range`)}
        ${consent('budget', 'I have obtained necessary budget approval (if required by my organization) and authorization to incur these costs')}</div>
        ${state.error ? notice(state.error) : nothing}</div>
        <footer><button type="button" class="btn ghost" @click=${() => { dialog.close(); leave(); }}>Cancel</button><button type="button" class="btn" autofocus @click=${() => dialog.close()}>Edit Configuration</button>
        <button type="button" class="btn solid-success" id="start-training" ?disabled=${!ready} aria-busy=${state.busy} @click=${confirm}>${icon(words === STARTING ? 'play' : 'save')}${state.busy ? words.busy : words.confirm}</button></footer>`,
      dialog,
    );
  }
  dialog.addEventListener('keydown', (event) => {
    // Enter ticks a box here, as people expect of a form read from top to bottom; it must not start anything.
    if (event.key === 'Enter' && event.target.type === 'checkbox') {
      event.preventDefault();
      event.target.click();
    }
  });
  paint();
  openDialog(dialog);
}
