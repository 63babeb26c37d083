import { datasetPicker } from '../components/dataset_picker.js';
import { estimatePanel } from '../components/estimate_panel.js';
import { gpuSection } from '../components/gpu_section.js';
import { choiceFromJob, defaultName, defaultPreset, differences, emptyChoice, estimateRequest, hyperparameters, jobRequest, offeredTiers, problems } from '../components/job_form.js';
import { parameterFields } from '../components/parameter_fields.js';
import { presetCards } from '../components/preset_cards.js';
import { tagsEditor } from '../components/tags_editor.js';
import { get, patch, post, query } from '../shared/api.js';
import { count, date, usd } from '../shared/format.js';
import { setTitle, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { debounce, readParameter } from '../shared/url_state.js';
import { announce, find, html, icon, mount, nothing, notice, pathPart } from '../shared/view.js';

const ESTIMATE_DELAY_MS = 500;
const NOTES_SAVE_SECONDS = 30;
const draftId = location.pathname.endsWith('/configure') ? pathPart(1) : null;
const NOTES_KEY = `lp.notes.${draftId ?? 'new'}`;

const state = { choice: emptyChoice(), catalog: null, datasets: null, search: '', estimate: null, previous: null, busy: false, error: null, fieldErrors: {}, presetEstimates: new Map(), saving: false, showProblems: false };
let estimating = null;

async function loadDatasets() {
  state.datasets = (await get(`/datasets${query({ search: state.search, limit: 50 })}`)).datasets;
  paint();
}
const searchLater = debounce(loadDatasets, ESTIMATE_DELAY_MS);

function change(values, { quiet = false } = {}) {
  Object.assign(state.choice, values);
  const { choice } = state;
  if (!choice.nameEdited) choice.name = defaultName(choice, state.catalog, date(new Date().toISOString()));
  state.fieldErrors = {};
  paint();
  if (!quiet) estimateLater();
}

function chooseDataset(dataset) {
  const presetId = state.choice.presetId ?? defaultPreset(state.catalog.presets, dataset);
  change({ dataset, presetId: state.choice.dataset ? presetId : defaultPreset(state.catalog.presets, dataset) });
}

async function estimate() {
  const wanted = estimateRequest(state.choice);
  const body = wanted && draftId ? { ...wanted, job_id: draftId } : wanted;
  estimating?.abort();
  if (!body) return;
  const own = new AbortController();
  estimating = own;
  Object.assign(state, { busy: true, error: null });
  paint();
  try {
    const reply = await post('/jobs/estimate', body, { signal: own.signal });
    if (estimating !== own) return;
    state.previous = state.estimate;
    state.estimate = reply;
    if (!state.choice.capEdited) state.choice.spendCap = reply.spend_cap_usd ?? '';
    state.presetEstimates.set(state.choice.presetId, reply);
    Object.assign(state, { busy: false, error: null });
    paint();
    await estimatePresets(body, own.signal);
  } catch (error) {
    if (error.name === 'AbortError' || estimating !== own) return;
    state.fieldErrors = error.status === 422 ? error.details ?? {} : {};
    Object.assign(state, { busy: false, error });
    paint();
  }
}
const estimateLater = debounce(estimate, ESTIMATE_DELAY_MS);

/** What the other presets would cost for the same dataset, model and GPU; a card without an answer simply shows none. */
async function estimatePresets(body, signal) {
  const key = JSON.stringify([body.dataset_id, body.gpu, body.base_model]);
  if (state.presetKey === key) return;
  state.presetKey = key;
  state.presetEstimates = new Map([[body.preset_id, state.estimate]]);
  for (const preset of state.catalog.presets.filter((one) => one.id !== body.preset_id)) {
    try {
      state.presetEstimates.set(preset.id, await post('/jobs/estimate', { ...body, preset_id: preset.id, hyperparameters: {} }, { signal }));
      paint();
    } catch (error) {
      if (error.name === 'AbortError') {
        state.presetKey = null;
        return;
      }
    }
  }
}

function setParameter(name, value) {
  const preset = state.catalog.presets.find((one) => one.id === state.choice.presetId);
  change({ overrides: differences({ ...state.choice.overrides, [name]: value }, preset) });
}

/** The first thing to put right is said and shown. @returns {boolean} true when all is well */
function checked() {
  const found = problems(state.choice, state.estimate);
  state.showProblems = true;
  paint();
  const first = Object.entries(found).find(([name]) => name !== 'spend_cap_usd' || Number(state.choice.spendCap) <= 0);
  if (!first) return true;
  toast(first[1], 'warning');
  find({ name: '#job-name', spend_cap_usd: '#spend-cap' }[first[0]] ?? '#form input')?.focus();
  return false;
}

/** A long line is spoken of before the review; advice that cannot be had holds nobody up. */
async function review() {
  if (!checked() || !state.estimate) return;
  const { advise } = await import('../components/queue_advisory.js');
  await advise({ goOn: openReviewDialog, later: saveDraft });
}

async function openReviewDialog() {
  const { openReview } = await import('../components/review_dialog.js');
  openReview(
    { choice: state.choice, estimate: state.estimate, catalog: state.catalog, values: hyperparameters(state.choice, state.catalog) },
    { start, leave: () => location.assign('/dashboard/training-jobs') },
  );
}

/** The same job asked for again, after a lost reply, must not become a second job and a second bill. */
function keyFor(body) {
  const text = JSON.stringify(body);
  if (state.sent?.text !== text) state.sent = { text, key: crypto.randomUUID() };
  return { idempotencyKey: state.sent.key };
}

async function start(acknowledged) {
  const body = jobRequest(state.choice);
  let job;
  if (draftId) {
    await patch(`/jobs/${draftId}`, body);
    job = await post(`/jobs/${draftId}/start`, { acknowledged });
  } else {
    const wanted = { ...body, start: { acknowledged } };
    job = await post('/jobs', wanted, keyFor(wanted));
  }
  forgetNotes();
  toast('Training job created and queued for processing');
  location.assign(`/training-jobs/${job?.id ?? draftId}`);
}

async function saveDraft() {
  if (!checked()) return;
  state.saving = true;
  paint();
  try {
    const body = jobRequest(state.choice);
    const job = draftId ? await patch(`/jobs/${draftId}`, body) : await post('/jobs', body, keyFor(body));
    forgetNotes();
    if (draftId) toast('Draft saved');
    else location.assign(`/training-jobs/${job.id}/configure`);
  } catch (error) {
    state.fieldErrors = error.status === 422 ? error.details ?? {} : {};
    toast(`The draft was not saved. ${error.message}`, 'danger');
  } finally {
    state.saving = false;
    paint();
  }
}

/** A part of the form; one that a checkpoint decides is shown and cannot be changed. */
function section(number, title, text, content, isLocked = false) {
  return html`<section class="card ${isLocked ? 'locked' : ''}" ?inert=${isLocked} aria-labelledby="step-${number}"><header><h2 id="step-${number}" class="row"><span class="step-n" aria-hidden="true">${number}</span>${title}</h2>${text ? html`<span class="small muted">${text}</span>` : nothing}</header><div class="body">${content}</div></section>`;
}

function problemLine(text) {
  return text ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${text}</p>` : nothing;
}

function detailsFields() {
  const { choice, catalog } = state;
  const found = { ...(state.showProblems ? problems(choice, state.estimate) : {}) };
  for (const [name, messages] of Object.entries(state.fieldErrors)) found[name] = [messages].flat()[0];
  return html`<div class="fields"><div class="field"><label for="job-name">Job name<span class="counter num">${choice.name.length}/100</span></label>
      <input class="input" id="job-name" maxlength="100" aria-invalid=${found.name ? 'true' : 'false'} .value=${choice.name} @input=${(event) => change({ name: event.target.value, nameEdited: true }, { quiet: true })}>${problemLine(found.name)}</div>
    <div class="field"><label for="description">Document the purpose of this training run<span class="counter num">${choice.description.length}/500</span></label>
      <textarea class="textarea" id="description" maxlength="500" .value=${choice.description} @input=${(event) => change({ description: event.target.value }, { quiet: true })}
        placeholder="What is the purpose of this training run? (e.g., 'First production model for Acme client', 'Testing aggressive parameters on high-emotion dataset')"></textarea></div>
    <div class="field"><label for="notes">Experimental notes, hypothesis, configuration rationale<span class="counter num">${choice.notes.length}/2000</span></label>
      <textarea class="textarea" id="notes" maxlength="2000" .value=${choice.notes} @input=${(event) => typeNotes(event.target.value)}
        placeholder="Document your hypothesis, experimental variables, expected outcomes, or configuration rationale. Use markdown for formatting."></textarea></div>
    ${tagsEditor(choice.tags, catalog.tags, (tags) => change({ tags }, { quiet: true }))}
    ${catalog.clients.length ? html`<div class="field"><label for="client">Client</label><select class="select" id="client" @change=${(event) => change({ clientId: event.target.value }, { quiet: true })}><option value="">No client</option>
      ${catalog.clients.map((client) => html`<option value=${client.id} ?selected=${client.id === choice.clientId}>${client.name}</option>`)}</select></div>` : nothing}</div>`;
}

function typeNotes(notes) {
  state.notesStored = false;
  change({ notes }, { quiet: true });
}

function capField() {
  const { choice, estimate: current } = state;
  const found = problems(choice, current);
  return html`<div class="field"><label for="spend-cap">Spend cap (USD)</label><div class="row"><input class="input num" id="spend-cap" type="number" inputmode="decimal" min="0.01" step="0.01" .value=${String(choice.spendCap)}
      @input=${(event) => change({ spendCap: event.target.value, capEdited: true }, { quiet: true })}>
    ${choice.capEdited && current ? html`<button type="button" class="btn sm" @click=${() => change({ spendCap: current.spend_cap_usd, capEdited: false }, { quiet: true })}>Use ${usd(current.spend_cap_usd)}</button>` : nothing}</div>
    <p class="hint">A hard limit. Before it is reached the job saves its work and exports the adapter, then stops.</p>${problemLine(found.spend_cap_usd ?? state.fieldErrors.spend_cap_usd?.[0])}</div>`;
}

function originNotice() {
  const from = state.origin;
  if (!from) return nothing;
  const link = html`<a class="link" href="/training-jobs/${from.job_id}">${from.job_name}</a>`;
  if (from.from_step) return notice(html`Goes on from step ${count(from.from_step)} of ${link}. Dataset, preset, model and hyperparameters belong to that checkpoint; GPU type, tier, cap and words may change. Resuming from checkpoint of ${from.status} job may produce unexpected results.`, undefined, 'warning');
  return notice(html`${from.kind === 'retry' ? 'A retry' : 'A copy'} of ${link}.${from.status === 'cancelled' ? ' Previous job was cancelled. This will start a completely new training run.' : ''}`, undefined, from.status === 'cancelled' ? 'warning' : 'info');
}

function form() {
  const { choice, catalog } = state;
  const values = hyperparameters(choice, catalog);
  const changed = Object.keys(choice.overrides).length;
  const preset = catalog.presets.find((one) => one.id === choice.presetId);
  const onSearch = (search) => {
    state.search = search;
    searchLater();
  };
  const isLocked = Boolean(state.origin?.from_step);
  return html`${originNotice()}${section(1, 'Dataset', '', datasetPicker(state.datasets, choice.dataset, { search: state.search, onSearch, onChoose: chooseDataset }), isLocked)}
    ${section(2, 'Training Preset', 'Choose a pre-configured profile optimized for different use cases', html`<div class="stack">${presetCards(catalog.presets, choice, state.presetEstimates, (presetId) => change({ presetId, overrides: {} }))}
      <a class="link small row" href="/docs/hyperparameters-explained" target="_blank" rel="noopener">Understanding LoRA Hyperparameters${icon('external-link', 'sm')}</a></div>`, isLocked)}
    ${section(3, 'Model and GPU', '', gpuSection(catalog, choice, state.estimate, change, isLocked))}
    <details class="card ${isLocked ? 'locked' : ''}" id="advanced" ?inert=${isLocked}><summary>${icon('chevron-right', 'sm')}<h2>Advanced hyperparameters</h2>${changed ? html`<span class="badge" data-tone="info">${changed} changed</span>` : nothing}</summary><div class="body stack">
      <p class="small muted">Fine-tune training parameters (based on ${preset?.name ?? 'custom'} preset)</p>${parameterFields(catalog, values, state.fieldErrors, setParameter)}
      ${changed ? html`<div><button type="button" class="btn sm" @click=${() => change({ overrides: {} })}>${icon('rotate-ccw', 'sm')}Back to the preset</button></div>` : nothing}</div></details>
    ${section(4, 'Job information', '', detailsFields())}${section(5, 'Spend cap', '', capField())}`;
}

function actions() {
  const blocked = state.estimate?.eligible === false;
  return html`<div class="actions"><button type="button" class="btn primary lg grow" id="review" ?disabled=${!state.estimate || state.busy || blocked} @click=${review}>${icon('shield-check')}Review &amp; Start Training</button>
    <button type="button" class="btn lg" id="save-draft" ?disabled=${!state.choice.dataset || state.saving} @click=${saveDraft}>Save draft</button></div>`;
}

function paint() {
  if (!state.catalog) return;
  mount(find('#form'), form());
  mount(find('#estimate'), estimatePanel(state, actions(), estimate));
}

async function prefill() {
  if (draftId) {
    const job = await get(`/jobs/${draftId}`);
    if (job.status !== 'pending_configuration') {
      location.replace(`/training-jobs/${draftId}`);
      return;
    }
    const dataset = job.dataset ? await get(`/datasets/${job.dataset.id}`) : null;
    state.choice = choiceFromJob(job, dataset);
    state.origin = job.origin;
    const preset = state.catalog.presets.find((one) => one.id === state.choice.presetId);
    state.choice.overrides = differences(job.configuration.hyperparameters, preset);
    setTitle(`Configure ${job.name}`);
    return;
  }
  if (readParameter('from')) {
    await copyFrom(await get(`/jobs/${encodeURIComponent(readParameter('from'))}`));
    return;
  }
  const { gpus, base_models: models, presets } = state.catalog;
  const gpu = gpus.find((one) => one.type === state.catalog.default_gpu && one.available) ?? gpus.find((one) => one.available);
  const wanted = readParameter('dataset');
  const dataset = wanted ? await get(`/datasets/${encodeURIComponent(wanted)}`) : null;
  Object.assign(state.choice, {
    gpu: { type: gpu?.type ?? null, count: 1, tier: offeredTiers(gpu)[0] ?? 'spot' }, baseModel: (models.find((one) => one.available && one.local) ?? models.find((one) => one.available))?.id ?? null,
    dataset: dataset?.status === 'ready' ? dataset : null, presetId: defaultPreset(presets, dataset),
  });
}

/** Everything of another job but what belongs to that run: its name, its notes and its cap. */
async function copyFrom(job) {
  const dataset = job.dataset ? await get(`/datasets/${job.dataset.id}`).catch(() => null) : null;
  const preset = state.catalog.presets.find((one) => one.id === job.configuration.preset_id);
  state.choice = { ...choiceFromJob(job, dataset?.status === 'ready' ? dataset : null), name: '', nameEdited: false, notes: '', spendCap: '', capEdited: false, overrides: differences(job.configuration.hyperparameters, preset) };
}

function keepNotes() {
  const kept = localStorage.getItem(NOTES_KEY);
  if (kept && !state.choice.notes) {
    state.choice.notes = kept;
    announce('Your unsaved notes were restored');
  }
  const save = () => {
    if (state.choice.notes && !state.notesStored) localStorage.setItem(NOTES_KEY, state.choice.notes);
  };
  setInterval(save, NOTES_SAVE_SECONDS * 1000);
  addEventListener('pagehide', save);
}

/** The job holds the notes now; leaving the page must not keep a second copy. */
function forgetNotes() {
  state.notesStored = true;
  localStorage.removeItem(NOTES_KEY);
}

async function load() {
  try {
    state.catalog = await get('/catalog');
    await prefill();
    keepNotes();
    change({});
    await loadDatasets();
  } catch (error) {
    mount(find('#form'), notice(`The page could not be loaded. ${error.message}`, load));
  }
}

if (startShell()) load();
