import { html, icon, nothing } from '../shared/view.js';

const FIELDS = [
  ['learning_rate', 'Learning Rate', 'Lower = more stable training, Higher = faster convergence (but risky)', 'log'],
  ['epochs', 'Training Epochs', 'More epochs = better learning, but with diminishing returns', 1],
  ['batch_size', 'Batch Size', 'Larger batch = faster training but requires more memory', 1],
  ['gradient_accumulation_steps', 'Gradient Accumulation', 'Simulates larger batch sizes', 1],
  ['rank', 'LoRA Rank (r)', 'Higher rank = more expressive adapter, but larger model size', 4],
  ['alpha', 'LoRA Alpha', 'Usually twice the rank', 1],
  ['dropout', 'Dropout Rate', 'Share of adapter inputs left out at random', 0.01],
];
const LOG_STEPS = 200;

const toSlider = (value, { min, max }) => Math.round((Math.log(value / min) / Math.log(max / min)) * LOG_STEPS);
const fromSlider = (position, { min, max }) => Number((min * (max / min) ** (position / LOG_STEPS)).toPrecision(2));

function field([name, label, hint, step], value, limit, help, error, onChange) {
  const isLog = step === 'log';
  const id = `p-${name}`;
  const slide = (event) => onChange(name, isLog ? fromSlider(Number(event.target.value), limit) : Number(event.target.value));
  const type = (event) => event.target.value !== '' && onChange(name, Number(event.target.value));
  return html`<div class="field"><label for=${id}>${label}${help ? html`<span class="muted" title=${help} role="img" aria-label=${help}>${icon('info', 'sm')}</span>` : nothing}</label>
    <div class="param-row"><input type="range" aria-label="${label} slider" min=${isLog ? 0 : limit.min} max=${isLog ? LOG_STEPS : limit.max} step=${isLog ? 1 : step}
      .value=${String(isLog ? toSlider(value, limit) : value)} @input=${slide}>
    <input class="input num" id=${id} type="number" min=${limit.min} max=${limit.max} step=${isLog || name === 'dropout' ? 'any' : 1} .value=${String(value)} aria-invalid=${error ? 'true' : 'false'} aria-describedby="${id}-hint" @change=${type}></div>
    <p class="hint" id="${id}-hint">${hint}</p>${error ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${error}</p>` : nothing}</div>`;
}

/**
 * Sliders and number fields over the limits of the API.
 * @param {object} catalog @param {object} values effective hyperparameters @param {Record<string, string[]>} errors by `hyperparameters.name`
 * @param {(name: string, value: number) => void} onChange
 */
export function parameterFields(catalog, values, errors, onChange) {
  const limits = catalog.hyperparameter_limits;
  const known = FIELDS.filter(([name]) => limits[name] && values[name] !== undefined && values[name] !== null);
  return html`<div class="params">${known.map((one) => field(one, values[one[0]], limits[one[0]], catalog.hyperparameter_help[one[0]], errors[`hyperparameters.${one[0]}`]?.[0], onChange))}</div>`;
}
