import { get } from '../shared/api.js';
import { bytes, count, learningRate } from '../shared/format.js';
import { startShell } from '../shared/shell.js';
import { find, html, mount, notice } from '../shared/view.js';

const HIDDEN_SIZE = 4096;
const LAYERS = 32;
const BYTES_PER_WEIGHT = 4;
const SCHEDULE_POINTS = 120;
const state = { rank: 16, batch: 2, accumulation: 2, pairs: 1500, epochs: 3, rate: 0.0002, warmup: 5 };

function slider(name, label, min, max, step = 1, show = String) {
  return html`<label class="field"><span class="label">${label}<span class="counter num">${show(state[name])}</span></span><input type="range" min=${min} max=${max} step=${step} .value=${String(state[name])} @input=${(event) => {
    state[name] = Number(event.target.value);
    paint();
  }}></label>`;
}

/** Weights of an adapter on the four square attention projections of a model of about 8B parameters: 2 × hidden × rank each. */
export function adapterWeights(rank) {
  return LAYERS * 4 * 2 * HIDDEN_SIZE * rank;
}

/** @param {number} share of the steps done, 0 to 1 @param {number} warmup share @returns {number} share of the full rate */
export function rateAt(share, warmup) {
  if (share < warmup) return share / warmup;
  const rest = (share - warmup) / (1 - warmup || 1);
  return 0.5 * (1 + Math.cos(Math.PI * rest));
}

function schedulePath() {
  const points = Array.from({ length: SCHEDULE_POINTS + 1 }, (_, index) => index / SCHEDULE_POINTS);
  return `M${points.map((share) => `${(share * 100).toFixed(2)} ${(38 - rateAt(share, state.warmup / 100) * 34).toFixed(2)}`).join('L')}`;
}

function paint() {
  const weights = adapterWeights(state.rank);
  mount(find('#try-rank'), html`<div class="controls">${slider('rank', 'Rank (r)', 4, 128, 4)}</div><output>About <b>${count(weights)}</b> trained weights on the attention layers of an 8B model, a file of roughly <b>${bytes(weights * BYTES_PER_WEIGHT)}</b>. Alpha would be <b>${state.rank * 2}</b>.</output>`);
  mount(find('#try-rate'), html`<div class="controls">${slider('rate', 'Learning rate', 0.00001, 0.001, 0.00001, learningRate)}${slider('warmup', 'Warm-up', 1, 30, 1, (value) => `${value}%`)}</div>
    <svg class="schedule" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label="The learning rate rises during the first ${state.warmup} percent of the steps and then falls to zero along a cosine"><line x1="0" y1="38" x2="100" y2="38"></line><path d=${schedulePath()}></path></svg>
    <output>Peaks at <b>${learningRate(state.rate)}</b> after ${state.warmup}% of the steps.</output>`);
  const effective = state.batch * state.accumulation;
  const steps = Math.ceil((state.pairs * 0.8) / effective);
  mount(find('#try-batch'), html`<div class="controls">${slider('pairs', 'Training pairs', 100, 10000, 100, count)}${slider('batch', 'Batch size', 1, 16)}${slider('accumulation', 'Accumulation', 1, 16)}${slider('epochs', 'Epochs', 1, 10)}</div>
    <output>Effective batch <b>${effective}</b>: about <b>${count(steps)}</b> steps per epoch (80% of the pairs train, 20% validate), <b>${count(steps * state.epochs)}</b> in all.</output>`);
}

const ROWS = [['rank', 'Rank'], ['alpha', 'Alpha'], ['learning_rate', 'Learning rate', learningRate], ['epochs', 'Epochs'], ['batch_size', 'Batch size'], ['gradient_accumulation_steps', 'Accumulation'], ['dropout', 'Dropout'], ['warmup_ratio', 'Warm-up', (value) => `${value * 100}%`], ['scheduler', 'Schedule']];

async function loadPresets() {
  try {
    const { presets } = await get('/catalog');
    mount(find('#preset-table'), html`<table class="table"><thead><tr><th scope="col">Setting</th>${presets.map((preset) => html`<th scope="col">${preset.name}</th>`)}</tr></thead>
      <tbody>${ROWS.map(([name, label, show = String]) => html`<tr><th scope="row">${label}</th>${presets.map((preset) => html`<td class="num">${show(preset.hyperparameters[name])}</td>`)}</tr>`)}
      <tr><th scope="row">Best for</th>${presets.map((preset) => html`<td class="small">${preset.recommended_use}</td>`)}</tr></tbody></table>`);
  } catch (error) {
    mount(find('#preset-table'), html`<div class="pad">${notice(`The presets could not be loaded. ${error.message}`, loadPresets)}</div>`);
  }
}

if (typeof document !== 'undefined' && startShell()) {
  paint();
  loadPresets();
}
