import { get, post } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { count, hoursRange, percent, usd, usdRange } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, nothing, notice, render } from '../shared/view.js';
import { estimateNotices } from './estimate_panel.js';

const CONSENTS = [
  ['configuration', () => 'I have reviewed the configuration of this new run'],
  ['cost', (estimate) => `I understand the estimated cost (${usdRange(estimate.cost_usd)}) and agree to charges up to the spend cap of ${usd(estimate.spend_cap_usd)}`],
  ['budget', () => 'I have the budget approval my organization asks for'],
];

const sentences = (error) => [error.message, ...Object.values(error.details ?? {}).flat().filter((one) => typeof one === 'string')].join(' ');
const capOf = (option) => option.request.spend_cap_usd ?? option.estimate?.spend_cap_usd;

function price(option) {
  if (!option.estimate) return html`<span class="danger">${option.problem}</span>`;
  return html`<b class="num">${usdRange(option.estimate.cost_usd)}</b> <span class="muted num">${hoursRange(option.estimate.duration_hours)}</span>`;
}

function choice(option, offer, state, act) {
  const from = option.from_step === null ? 'From the beginning' : `Goes on from step ${count(option.from_step)}`;
  return html`<label class="retry-option"><input type="radio" name="retry" value=${option.id} .checked=${state.id === option.id} @change=${() => act.choose(option.id)}>
    <span class="grow"><b>${option.title}</b>${offer.advised === option.id ? html` <span class="badge" data-tone="success">Suggested</span>` : nothing}<br>
    ${option.why ? html`<span class="muted">${option.why}</span><br>` : nothing}<span class="muted">${from}</span></span><span class="retry-price">${price(option)}</span></label>`;
}

function chosen(option, offer, state, act) {
  const { estimate } = option;
  if (!estimate) return nothing;
  const done = option.from_step && offer.checkpoint?.total_steps ? (100 * option.from_step) / offer.checkpoint.total_steps : 0;
  const facts = { ...estimate, spend_cap_usd: capOf(option) };
  return html`<p class="small muted num">${option.summary} · ${usd(estimate.hourly_rate_usd)}/hr · spend cap ${usd(capOf(option))}${done ? ` · ${percent(done)} of the steps are done` : ''}</p>
    <div class="stack-2">${option.from_step === null ? nothing : notice(offer.checkpoint_warning, undefined, 'warning')}${estimateNotices(estimate)}${estimate.budget && estimate.budget.level !== 'ok' ? notice(estimate.budget.message, undefined, 'warning') : nothing}</div>
    <div class="stack-2" role="group" aria-label="Confirmations">${CONSENTS.map(([name, text]) => html`<label class="check"><input type="checkbox" id="retry-${name}" .checked=${state[name]} @change=${(event) => act.set({ [name]: event.target.checked })}>${text(facts)}</label>`)}</div>`;
}

function template(job, offer, state, act) {
  const option = offer.options.find((one) => one.id === state.id);
  const ready = option.estimate && option.estimate.eligible !== false && CONSENTS.every(([name]) => state[name]) && !state.busy;
  const suggests = offer.status === 'failed';
  return html`<div class="modal-body"><h2 id="retry-title">${icon('rotate-ccw', 'info lg')}${suggests ? 'Retry with Suggestions' : 'Retry'}</h2>
    <p>${offer.title ? html`<b>${offer.title}.</b> ` : nothing}${suggests ? `${offer.sentence} ` : nothing}A new job is made; ${job.name} stays as it is.</p>
    ${offer.advised === null ? notice('The same again would most likely end the same way. Look at the configuration first.', undefined, 'warning') : nothing}
    <div class="retry-options" role="radiogroup" aria-labelledby="retry-title">${offer.options.map((one) => choice(one, offer, state, act))}</div>
    ${chosen(option, offer, state, act)}${state.error ? notice(state.error) : nothing}</div>
    <footer><button type="button" class="btn ghost" id="retry-back" @click=${act.back}>Go Back</button>
    <button type="button" class="btn" id="retry-edit" ?disabled=${!option.estimate || Boolean(state.busy)} aria-busy=${state.busy === 'edit'} @click=${act.edit}>${icon('pencil')}Edit Configuration</button>
    <button type="button" class="btn solid-success" id="retry-start" ?disabled=${!ready} aria-busy=${state.busy === 'start'} @click=${act.start}>${icon('play')}${state.busy === 'start' ? 'Starting...' : 'Start Retry'}</button></footer>`;
}

/** The way the person asked for, else the advised one, else the last: the same again. */
function first(offer, wanted) {
  const known = (id) => offer.options.some((one) => one.id === id);
  if (wanted === 'continue') return offer.options.find((one) => one.from_step !== null)?.id ?? offer.options.at(-1).id;
  return [wanted, offer.advised].find(known) ?? offer.options.at(-1).id;
}

/**
 * Ways to try an ended job again with their prices; nothing starts without the confirmations.
 * @param {object} job
 * @param {() => void} [onDone] after the dialog closed
 * @param {string|null} [wanted] id of an option, or "continue" for the first that goes on from the checkpoint
 */
export async function openRetryDialog(job, onDone = () => {}, wanted = null) {
  let offer = null;
  try {
    offer = await get(`/jobs/${job.id}/retry`);
  } catch (error) {
    toast(`The job cannot be tried again. ${error.message}`, 'danger');
    return;
  }
  const fresh = { configuration: false, cost: false, budget: false, error: null };
  const state = { ...fresh, id: first(offer, wanted), busy: null };
  const dialog = createDialog('retry-title', 'wide');
  const paint = () => render(template(job, offer, state, act), dialog);
  const set = (values) => {
    Object.assign(state, values);
    paint();
  };
  // The same wish sent again, after a lost reply, must not become a second job and a second bill.
  const keys = new Map();
  async function make(busy, extra, page) {
    const option = offer.options.find((one) => one.id === state.id);
    const body = { ...option.request, spend_cap_usd: capOf(option), ...extra };
    const text = JSON.stringify(body);
    if (!keys.has(text)) keys.set(text, crypto.randomUUID());
    set({ busy, error: null });
    try {
      location.assign(page(await post(`/jobs/${job.id}/retry`, body, { idempotencyKey: keys.get(text) })));
    } catch (error) {
      set({ busy: null, error: sentences(error) });
    }
  }
  const act = {
    set,
    back: () => dialog.close(),
    choose: (id) => set({ ...fresh, id }),
    edit: () => make('edit', {}, (made) => `/training-jobs/${made.id}/configure`),
    start: () => make('start', { start: { acknowledged: { configuration: true, cost: true, budget: true } } }, (made) => `/training-jobs/${made.id}`),
  };
  paint();
  openDialog(dialog, onDone);
}
