import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { count, percent, usd } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, keyValues, nothing, notice, render } from '../shared/view.js';

const LONG_HOURS = 20;
const TIERS = { spot: 'Spot', on_demand: 'On-Demand' };

const offers = (gpu) => Object.keys(TIERS).filter((tier) => gpu.prices[tier]);
const rateOf = (gpu, tier, gpuCount) => Number(gpu?.prices[tier]?.usd_per_hour ?? 0) * gpuCount;

/** Hours and dollars still to come: the pace it had, at the price of the chosen GPU. */
function forecast(job, gpu, state) {
  const { hours_left: hours, from_step: step, percent: done, steps_left: left } = job.pause.resume;
  const rate = rateOf(gpu, state.tier, job.configuration.gpu.count);
  return { hours, step, done, left, cost: hours === null || !rate ? null : hours * rate, rate };
}

function warnings(state, hours) {
  const spot = state.tier === 'spot';
  return html`${hours !== null && hours > LONG_HOURS ? notice(`${hours.toFixed(0)}h remaining may exceed daily GPU availability`, undefined, 'warning') : nothing}
    ${spot ? notice('Spot instance may be interrupted again (consider on-demand for long remainder)', undefined, 'warning') : nothing}`;
}

function template(job, gpus, state, act) {
  const gpu = gpus.find((one) => one.type === state.type);
  const { hours, step, done, left, cost, rate } = forecast(job, gpu, state);
  const c = job.configuration;
  const other = state.type !== c.gpu.type;
  return html`<div class="modal-body"><h2 id="resume-title">${icon('play', 'info lg')}Resume Training</h2>
    ${keyValues([
      ['Resume from', job.pause.step === null ? 'The beginning: it was paused before its first checkpoint' : `Step ${count(step)} (${percent(done)} complete)`],
      ['Estimated remaining', `${count(left)} steps${hours === null ? '' : `, ${hours.toFixed(1)}h`}`],
      ['Previous configuration', `${c.preset_name} · ${c.gpu.count}x ${c.gpu.name} · ${TIERS[c.gpu.tier]}`],
      ['Estimated additional cost', cost === null ? 'Not known yet' : html`<b class="num">${usd(cost.toFixed(2))}</b> <span class="muted">at ${usd(rate.toFixed(2))}/hr</span>`],
    ])}
    <div class="two-fields"><div class="field"><label for="resume-gpu">GPU type</label><select class="select" id="resume-gpu" @change=${(event) => act.type(event.target.value)}>
      ${gpus.map((one) => html`<option value=${one.type} ?selected=${one.type === state.type}>${one.name}</option>`)}</select></div>
    <div class="field"><label for="resume-tier">Resume with</label><select class="select" id="resume-tier" @change=${(event) => act.set({ tier: event.target.value })}>
      ${gpu ? offers(gpu).map((tier) => html`<option value=${tier} ?selected=${tier === state.tier}>${TIERS[tier]}</option>`) : nothing}</select></div></div>
    <div class="field"><label for="resume-cap">Spend cap for the whole job (USD)</label><input class="input num" id="resume-cap" inputmode="decimal" .value=${state.cap} @input=${(event) => act.set({ cap: event.target.value })}>
      <p class="hint">${usd(job.cost.spent_usd)} of it is spent. At the cap the job saves and exports its adapter, then stops.</p></div>
    ${other ? notice('Another GPU type rounds differently: the result will agree within tolerance, not to the last bit.', undefined, 'info') : nothing}
    ${warnings(state, hours)}${state.error ? notice(state.error) : nothing}</div>
    <footer><button type="button" class="btn" id="resume-back" @click=${act.back}>Go Back</button>
    <button type="button" class="btn primary" id="resume-confirm" autofocus ?disabled=${state.busy} aria-busy=${state.busy} @click=${act.confirm}>${icon('play')}${state.busy ? 'Resuming...' : 'Resume Training'}</button></footer>`;
}

const sentences = (error) => [error.message, ...Object.values(error.details ?? {}).flat().filter((one) => typeof one === 'string')].join(' ');

/**
 * Shows what a resume goes on from and costs, lets GPU, tier and cap change.
 * @param {object} job a paused job of the API
 * @param {(resumed: boolean) => void} [onDone]
 */
export async function openResumeDialog(job, onDone = () => {}) {
  let gpus = [];
  try {
    gpus = (await get('/catalog')).gpus.filter((one) => one.available);
  } catch (error) {
    toast(`Failed to resume job. ${error.message}`, 'danger');
    return;
  }
  const { gpu } = job.configuration;
  const state = { type: gpu.type, tier: gpu.tier, cap: job.cost.spend_cap_usd ?? '', busy: false, error: null };
  const dialog = createDialog('resume-title', 'wide');
  const paint = () => render(template(job, gpus, state, act), dialog);
  let resumed = false;
  const act = {
    back: () => dialog.close(),
    set: (change) => {
      Object.assign(state, change);
      paint();
    },
  };
  act.type = (type) => {
    const tiers = offers(gpus.find((one) => one.type === type));
    act.set({ type, tier: tiers.includes(state.tier) ? state.tier : tiers[0] });
  };
  act.confirm = async () => {
    act.set({ busy: true, error: null });
    try {
      await post(`/jobs/${job.id}/resume`, { gpu: { type: state.type, tier: state.tier }, spend_cap_usd: state.cap.trim() || null });
      resumed = true;
      dialog.close();
      toast('Queued to resume. It starts as soon as a slot and a GPU are free.', 'info');
    } catch (error) {
      act.set({ busy: false, error: `Failed to resume job. ${sentences(error)}` });
    }
  };
  paint();
  openDialog(dialog, () => onDone(resumed));
}
