import { repeat } from 'lit-html/directives/repeat.js';
import { qualityLabel } from '../components/dataset_picker.js';
import { pager } from '../components/pagination.js';
import { fileProblem, nameFromFile, uploadDataset } from '../components/uploader.js';
import { get, query } from '../shared/api.js';
import { bytes, count, percent, plural } from '../shared/format.js';
import { startPolling } from '../shared/poll.js';
import { showLive, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { debounce, readParameter, writeParameters } from '../shared/url_state.js';
import { announce, badge, empty, find, html, icon, mount, nothing, notice, progress, time } from '../shared/view.js';

const IDLE_SECONDS = 10;
const BUSY_SECONDS = 2;
const STATUSES = { uploading: ['Uploading', 'info'], validating: ['Validating', 'running'], ready: ['Ready', 'ready'], rejected: ['Rejected', 'rejected'] };
const state = { page: null, error: null, search: readParameter('search') ?? '', status: readParameter('status') ?? '', number: Number(readParameter('page')) || 1, uploads: [], over: false };
let poller = null;

/** @param {object} dataset */
function statusBadge(dataset) {
  const [label, tone] = STATUSES[dataset.status] ?? [dataset.status, ''];
  return badge({ label, tone, pulsing: ['uploading', 'validating'].includes(dataset.status) }, dataset.readiness?.tooltip);
}

async function load(signal) {
  const page = await get(`/datasets${query({ search: state.search, status: state.status, page: state.number, limit: 25 })}`, { signal });
  const before = new Map(state.page?.datasets.map((dataset) => [dataset.id, dataset.status]));
  for (const dataset of page.datasets) sayResult(before.get(dataset.id), dataset);
  Object.assign(state, { page, error: null });
  paint();
  return { afterSeconds: page.datasets.some((dataset) => ['uploading', 'validating'].includes(dataset.status)) ? BUSY_SECONDS : IDLE_SECONDS };
}

function sayResult(before, dataset) {
  if (!['uploading', 'validating'].includes(before)) return;
  if (dataset.status === 'ready') toast(`${dataset.name} is ready for training`);
  if (dataset.status === 'rejected') toast(`${dataset.name} was rejected: ${plural(dataset.error_count, 'problem')} found`, 'danger');
}

function change(values) {
  Object.assign(state, { number: 1 }, values);
  writeParameters({ search: state.search, status: state.status, page: state.number === 1 ? null : state.number });
  poller.refresh();
}
const searchLater = debounce((search) => change({ search }), 500);

async function addFile(file) {
  const problem = fileProblem(file);
  if (problem) {
    toast(problem, 'danger');
    return;
  }
  const stop = new AbortController();
  const item = { id: crypto.randomUUID(), file, share: 0, error: null, stop };
  state.uploads.push(item);
  paint();
  try {
    await uploadDataset(file, {
      name: nameFromFile(file.name),
      signal: stop.signal,
      onCreated: () => poller.refresh(),
      onProgress(share) {
        item.share = share;
        paint();
      },
    });
    announce(`${file.name} was uploaded and is being checked`);
    drop(item);
    poller.refresh();
  } catch (error) {
    if (error.name === 'AbortError') drop(item);
    else item.error = error.message;
    paint();
  }
}

function drop(item) {
  state.uploads = state.uploads.filter((one) => one !== item);
}

function retry(item) {
  drop(item);
  addFile(item.file);
}

function onDrop(event) {
  event.preventDefault();
  state.over = false;
  for (const file of event.dataTransfer.files) addFile(file);
  paint();
}

function setOver(event, over) {
  event.preventDefault();
  if (state.over === over) return;
  state.over = over;
  paint();
}

function uploadArea() {
  const pick = (event) => {
    for (const file of event.target.files) addFile(file);
    event.target.value = '';
  };
  return html`<div class="drop ${state.over ? 'over' : ''}" @dragover=${(event) => setOver(event, true)} @dragleave=${(event) => setOver(event, false)} @drop=${onDrop}>${icon('upload', 'lg')}
      <b>Drop a JSON Lines file here</b><span>Chat, ShareGPT or Alpaca rows, at least 50 conversations, up to 5 GB</span>
      <input type="file" id="file" class="sr" accept=".jsonl,.json,.ndjson" multiple tabindex="-1" aria-label="Dataset file" @change=${pick}>
      <button type="button" class="btn" @click=${() => find('#file').click()}>Choose a file</button></div>
    ${repeat(state.uploads, (item) => item.id, (item) => html`<div class="card upload-item"><div class="row"><b class="grow cut">${item.file.name}</b><span class="small muted num">${bytes(item.file.size * item.share)} of ${bytes(item.file.size)} · ${percent(item.share * 100)}</span>
      ${item.error ? html`<button type="button" class="btn sm" @click=${() => retry(item)}>${icon('refresh-cw', 'sm')}Try again</button>` : nothing}
      <button type="button" class="btn ghost sm icon-only" aria-label="Stop uploading ${item.file.name}" @click=${() => { item.stop.abort(); drop(item); paint(); }}>${icon('x', 'sm')}</button></div>
      ${progress(item.share * 100, `Upload of ${item.file.name}`, item.error ? 'danger' : '', 'thin')}${item.error ? notice(item.error) : nothing}</div>`)}`;
}

function row(dataset) {
  const href = `/datasets/${dataset.id}`;
  const open = (event) => event.target.closest('a') || location.assign(href);
  return html`<tr @click=${open}><td><a class="strong-link" href=${href}>${dataset.name}</a><div class="sub-line cut">${dataset.file_name} · ${bytes(dataset.size_bytes)}</div></td>
    <td>${statusBadge(dataset)}${dataset.status === 'validating' && dataset.progress !== null ? html`<div class="sub-line num">${percent((dataset.progress?.share ?? dataset.progress) * 100)}</div>` : nothing}${dataset.error_count ? html`<div class="sub-line">${plural(dataset.error_count, 'problem')}</div>` : nothing}</td>
    <td class="r num opt-m">${count(dataset.conversations)}</td><td class="r num opt">${count(dataset.training_pairs)}</td><td class="opt">${qualityLabel(dataset)}</td><td class="num opt">${time(dataset.updated_at)}</td></tr>`;
}

function list() {
  const { page } = state;
  if (!page) return notice(state.error.message, () => poller.refresh());
  const filtered = state.search || state.status;
  if (page.datasets.length === 0) {
    const clear = html`<button type="button" class="btn" @click=${() => change({ search: '', status: '' })}>Clear Filters</button>`;
    return html`<div class="card">${filtered ? empty('No datasets match your filters.', nothing, clear, 'search') : empty('No datasets yet', 'Upload your first file above.', nothing, 'database')}</div>`;
  }
  return html`${state.error ? notice(`${state.error.message} Showing the last data.`, () => poller.refresh(), 'warning') : nothing}
    <div class="card"><table class="table datasets-table" aria-label="Datasets"><thead><tr><th scope="col">Name</th><th scope="col">Status</th><th scope="col" class="r opt-m">Conversations</th><th scope="col" class="r opt">Training pairs</th><th scope="col" class="opt">Quality</th><th scope="col" class="opt">Updated</th></tr></thead>
    <tbody>${repeat(page.datasets, (dataset) => dataset.id, row)}</tbody></table>${pager(page.pagination, 'datasets', (number) => change({ number }))}</div>`;
}

function paint() {
  mount(find('#upload'), uploadArea());
  mount(find('#filters'), html`<div class="filters" role="search"><label class="search">${icon('search', 'sm')}<span class="sr">Search datasets</span><input type="search" placeholder="Search datasets by name" .value=${state.search} @input=${(event) => searchLater(event.target.value.trim())}></label>
    <select class="select sm" aria-label="Status" @change=${(event) => change({ status: event.target.value })}><option value="" ?selected=${!state.status}>Any status</option>${Object.entries(STATUSES).map(([id, [label]]) => html`<option value=${id} ?selected=${id === state.status}>${label}</option>`)}</select></div>`);
  if (state.page || state.error) mount(find('#list'), list());
}

if (startShell()) {
  paint();
  poller = startPolling({
    intervalSeconds: IDLE_SECONDS,
    tick: load,
    onState({ busy, error }) {
      showLive(error ? 'offline' : busy ? 'busy' : 'live');
      if (!error) return;
      state.error = error;
      paint();
    },
  });
  addEventListener('beforeunload', (event) => {
    if (state.uploads.some((item) => !item.error)) event.preventDefault();
  });
}
