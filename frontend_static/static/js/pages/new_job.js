import { datasetPicker } from '../components/dataset_picker.js';
import { estimatePanel } from '../components/estimate_panel.js';
import { gpuSection } from '../components/gpu_section.js';
import { capField, detailsFields } from '../components/job_fields.js';
import { choiceFromJob, defaultName, defaultPreset, differences, emptyChoice, estimateRequest, hyperparameters, jobRequest, offeredTiers, problems } from '../components/job_form.js';
import { parameterFields } from '../components/parameter_fields.js';
import { presetCards } from '../components/preset_cards.js';
import { get, patch, post, put, query } from '../shared/api.js';
import { count, date } from '../shared/format.js';
import { setTitle, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { debounce, readParameter } from '../shared/url_state.js';
import { announce, find, html, icon, mount, nothing, notice, pathPart } from '../shared/view.js';

const ESTIMATE_DELAY_MS = 500;
const NOTES_SAVE_SECONDS = 30;
const QUEUE = '/dashboard/training-jobs?tab=queue';
const draftId = location.pathname.endsWith('/configure') ? pathPart(1) : null;
const NOTES_KEY = `lp.notes.${draftId ?? 'new'}`;

const state = { choice: emptyChoice(), catalog: null, datasets: null, search: '', estimate: null, previous: null, busy: false, error: null, fieldErrors: {}, presetEstimates: new Map(), saving: false, showProblems: false };
let estimating = null;

async function foundDatasets() {
  return (await get(`/datasets${query({ search: state.search, limit: 50 })}`)).datasets;
}

async function loadDatasets() {
  state.datasets = await foundDatasets();
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
  if (!checked()) return;
  const { openReview } = await import('../components/review_dialog.js');
  openReview(
    { choice: state.choice, estimate: state.estimate, catalog: state.catalog, values: hyperparameters(state.choice, state.catalog) },
    state.waiting ? { start: saveChanges, leave: () => location.assign(QUEUE), words: { confirm: 'Save Changes', busy: 'Saving...' } } : { start, leave: () => location.assign('/dashboard/training-jobs') },
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

/** Of a job that waits: what it costs changes, so it is confirmed like a start. */
async function saveChanges(acknowledged) {
  const { spend_cap_usd: cap } = jobRequest(state.choice);
  await put(`/jobs/${draftId}/configuration`, { ...estimateRequest(state.choice), seed: state.waiting.configuration.seed, spend_cap_usd: cap ?? null, acknowledged });
  location.assign(QUEUE);
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

function typeNotes(notes) {
  state.notesStored = false;
  change({ notes }, { quiet: true });
}

function waitingNotice() {
  return notice(html`<b>${state.waiting.name}</b> waits in the queue. Until it gets its slot it can be changed here, and keeps its place. Its name, notes and tags are changed on <a class="link" href="/training-jobs/${draftId}">its page</a>.`, undefined, 'info');
}

function originNotice() {
  const from = state.origin;
  if (!from) return nothing;
  const link = html`<a class="link" href="/training-jobs/${from.job_id}">${from.job_name}</a>`;
  if (from.from_step) return notice(html`Goes on from step ${count(from.from_step)} of ${link}. Dataset, preset, model and hyperparameters belong to that checkpoint; GPU type, tier, cap and words may change. Resuming from checkpoint of ${from.status} job may produce unexpected results.`, undefined, 'warning');
  return notice(html`${from.kind === 'retry' ? 'A retry' : 'A copy'} of ${link}.`, undefined, 'info');
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
  const { waiting } = state;
  const set = (values) => change(values, { quiet: true });
  return html`${waiting ? waitingNotice() : originNotice()}${section(1, 'Dataset', '', datasetPicker(state.datasets, choice.dataset, { search: state.search, onSearch, onChoose: chooseDataset }), isLocked)}
    ${section(2, 'Training Preset', 'Choose a pre-configured profile optimized for different use cases', html`<div class="stack">${presetCards(catalog.presets, choice, state.presetEstimates, (presetId) => change({ presetId, overrides: {} }))}
      <a class="link small row" href="/docs/hyperparameters-explained" target="_blank" rel="noopener">Understanding LoRA Hyperparameters${icon('external-link', 'sm')}</a></div>`, isLocked)}
    ${section(3, 'Model and GPU', '', gpuSection(catalog, choice, state.estimate, change, isLocked))}
    <details class="card ${isLocked ? 'locked' : ''}" id="advanced" ?inert=${isLocked}><summary>${icon('chevron-right', 'sm')}<h2>Advanced hyperparameters</h2>${changed ? html`<span class="badge" data-tone="info">${changed} changed</span>` : nothing}</summary><div class="body stack">
      <p class="small muted">Fine-tune training parameters (based on ${preset?.name ?? 'custom'} preset)</p>${parameterFields(catalog, values, state.fieldErrors, setParameter)}
      ${changed ? html`<div><button type="button" class="btn sm" @click=${() => change({ overrides: {} })}>${icon('rotate-ccw', 'sm')}Back to the preset</button></div>` : nothing}</div></details>
    ${waiting ? nothing : section(4, 'Job information', '', detailsFields(state, set, typeNotes))}${section(waiting ? 4 : 5, 'Spend cap', '', capField(state, set))}`;
}

function actions() {
  const blocked = state.estimate?.eligible === false;
  const { waiting } = state;
  return html`<div class="actions"><button type="button" class="btn primary lg grow" id="review" ?disabled=${!state.estimate || state.busy || blocked} @click=${waiting ? openReviewDialog : review}>${icon('shield-check')}${waiting ? 'Review & Save' : 'Review & Start Training'}</button>
    ${waiting ? html`<a class="btn lg" href=${QUEUE}>Leave as it is</a>` : html`<button type="button" class="btn lg" id="save-draft" ?disabled=${!state.choice.dataset || state.saving} @click=${saveDraft}>Save draft</button>`}</div>`;
}

function paint() {
  if (!state.catalog) return;
  mount(find('#form'), form());
  mount(find('#estimate'), estimatePanel(state, actions(), estimate));
}

async function prefill() {
  if (draftId) {
    const job = await get(`/jobs/${draftId}`);
    if (job.status === 'queued' && !job.started_at && job.allowed_actions.includes('cancel')) state.waiting = job;
    else if (job.status !== 'pending_configuration') {
      location.replace(`/training-jobs/${draftId}`);
      return;
    }
    const dataset = job.dataset ? await get(`/datasets/${job.dataset.id}`) : null;
    state.choice = choiceFromJob(job, dataset);
    state.origin = job.origin;
    const preset = state.catalog.presets.find((one) => one.id === state.choice.presetId);
    state.choice.overrides = differences(job.configuration.hyperparameters, preset);
    find('.page-head h1').textContent = state.waiting ? 'Edit Configuration' : 'Configure Training Job';
    setTitle(`Configure ${job.name}`);
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
    // Both before the first paint: a list that came after it would push down what is being read.
    [state.catalog, state.datasets] = await Promise.all([get('/catalog'), foundDatasets()]);
    await prefill();
    keepNotes();
    change({});
  } catch (error) {
    mount(find('#form'), notice(`The page could not be loaded. ${error.message}`, load));
  }
}

if (startShell()) load();
