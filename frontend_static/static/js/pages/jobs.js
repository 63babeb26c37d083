import { repeat } from 'lit-html/directives/repeat.js';
import { openCancelDialog } from '../components/cancel_dialog.js';
import { jobRow, pageOf } from '../components/job_row.js';
import { openMenu } from '../components/menu.js';
import { pager } from '../components/pagination.js';
import { tabBar } from '../components/tabs.js';
import { get, query, remove } from '../shared/api.js';
import { confirmDialog } from '../shared/confirm.js';
import { count, plural } from '../shared/format.js';
import { startPolling } from '../shared/poll.js';
import { showLive, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { debounce, readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, mount, nothing, notice } from '../shared/view.js';

const INTERVAL_SECONDS = 10;
const SEARCH_DELAY_MS = 500;
const SIZES = [25, 50, 100];
const TABS = [['all', 'All jobs'], ['active', 'Active'], ['completed', 'Completed'], ['failed', 'Failed'], ['cancelled', 'Cancelled'], ['draft', 'Drafts']];
const RANGES = [['30d', 'Last 30 days', 30], ['7d', 'Last 7 days', 7], ['90d', 'Last 90 days', 90], ['all', 'All dates', 0]];
const STATUSES = ['queued', 'provisioning', 'running', 'recovering', 'pausing', 'paused', 'cancelling', 'cancelled', 'completed', 'failed', 'pending_configuration'];
const COLUMNS = [
  ['name', 'Job', 'c-name', null], ['status', 'Status', 'c-status', 'status'], ['configuration', 'Configuration', 'c-config', null],
  ['created_by', 'Created by', 'c-by', 'created_by'], ['started_at', 'Started', 'c-start', 'started_at'],
  ['duration', 'Duration', 'c-time', 'duration'], ['cost', 'Cost', 'c-cost', 'cost'], ['menu', 'Actions', 'c-menu', null],
];

const state = { page: null, filters: readFilters(), error: null, loading: true, changed: new Set() };
let poller = null;

function readFilters() {
  const size = Number(readParameter('pageSize'));
  return {
    tab: readParameter('tab') ?? 'all',
    status: readParameter('status') ?? '',
    preset: readParameter('preset') ?? '',
    range: readParameter('dateRange') ?? '30d',
    search: readParameter('search') ?? '',
    sortBy: readParameter('sortBy') ?? 'created_at',
    sortDir: readParameter('sortDir') ?? 'desc',
    page: Math.max(1, Number(readParameter('page')) || 1),
    limit: SIZES.includes(size) ? size : SIZES[0],
  };
}

function writeFilters() {
  const f = state.filters;
  writeParameters(
    {
      tab: f.tab === 'all' ? null : f.tab, status: f.status, preset: f.preset, dateRange: f.range === '30d' ? null : f.range, search: f.search,
      sortBy: f.sortBy === 'created_at' ? null : f.sortBy, sortDir: f.sortDir === 'desc' ? null : f.sortDir,
      page: f.page === 1 ? null : f.page, pageSize: f.limit === SIZES[0] ? null : f.limit,
    },
    { push: true },
  );
}

function change(values) {
  state.filters = { ...state.filters, page: 1, ...values };
  state.loading = true;
  writeFilters();
  paint();
  poller.refresh();
}

function listPath() {
  const f = state.filters;
  const days = RANGES.find(([id]) => id === f.range)?.[2] ?? 0;
  const from = days ? new Date(Date.now() - days * 86400_000).toISOString().slice(0, 10) : null;
  return `/jobs${query({
    tab: f.tab, status: f.status, preset: f.preset, search: f.search, date_from: from, sort_by: f.sortBy, sort_dir: f.sortDir, page: f.page, limit: f.limit,
  })}`;
}

async function load(signal) {
  const wanted = listPath();
  const page = await get(wanted, { signal });
  if (wanted !== listPath()) return;
  const before = new Map(state.page?.jobs.map((job) => [job.id, job.changed_at]));
  state.changed = new Set(before.size ? page.jobs.filter((job) => before.get(job.id) !== job.changed_at).map((job) => job.id) : []);
  if (state.loading && state.page) announce(`Training jobs table with ${plural(page.pagination.total, 'result')}`);
  Object.assign(state, { page, error: null, loading: false });
  paint();
}

function open(event, job) {
  if (event.target.closest('a, button, input') || getSelection()?.toString()) return;
  if (event.ctrlKey || event.metaKey) window.open(pageOf(job), '_blank', 'noopener');
  else location.assign(pageOf(job));
}

async function cancel(job) {
  try {
    openCancelDialog(await get(`/jobs/${job.id}`), () => poller.refresh());
  } catch (error) {
    toast(`Failed to cancel job. ${error.message}`, 'danger');
  }
}

async function deleteJob(job) {
  const sure = await confirmDialog({ title: 'Delete this job?', text: `${job.name} and its metrics and event log are removed. This cannot be undone.`, confirm: 'Delete job' });
  if (!sure) return;
  try {
    await remove(`/jobs/${job.id}`);
    toast('Job deleted');
  } catch (error) {
    toast(`The job was not deleted. ${error.message}`, 'danger');
  }
  poller.refresh();
}

async function copy(text, what) {
  await navigator.clipboard.writeText(text);
  toast(`${what} copied`);
}

function showMenu(event, job) {
  const may = (action) => job.allowed_actions.includes(action);
  const isDraft = job.status === 'pending_configuration';
  const view = isDraft ? ['Edit Configuration', 'pencil'] : job.status === 'completed' ? ['View Results', 'activity'] : ['View Dashboard', 'activity'];
  openMenu(event.currentTarget, [
    { label: view[0], icon: view[1], href: pageOf(job) },
    ...(job.model_id ? [{ label: 'Download Artifacts', icon: 'download', href: `/models/${job.model_id}` }] : []),
    ...(isDraft ? [] : [{ label: 'Compare...', icon: 'scale', href: `/training-jobs/compare?ids=${job.id}` }]),
    { label: 'Copy Job ID', icon: 'copy', action: () => copy(job.id, 'Job ID') },
    { label: 'Copy Job Link', icon: 'external-link', action: () => copy(new URL(pageOf(job), location.origin).href, 'Link') },
    ...(may('cancel') ? [{ label: 'Cancel Job', icon: 'octagon-x', tone: 'danger', action: () => cancel(job) }] : []),
    ...(may('delete') ? [{ label: 'Delete', icon: 'trash-2', tone: 'danger', action: () => deleteJob(job) }] : []),
  ]);
}

function filterBar() {
  const f = state.filters;
  const counts = state.page?.counts;
  const option = (value, label, chosen) => html`<option value=${value} ?selected=${value === chosen}>${label}</option>`;
  const withCount = (label, amount) => (amount === undefined ? label : `${label} (${count(amount)})`);
  const words = (name) => ({ pending_configuration: 'Draft' })[name] ?? name[0].toUpperCase() + name.slice(1);
  const presets = ['conservative', 'balanced', 'aggressive', 'fast', 'quality', 'custom'];
  return html`<div class="filters" role="search"><label class="search">${icon('search', 'sm')}<span class="sr">Search jobs</span>
      <input type="search" id="search" placeholder="Search by job name, notes, or tags..." .value=${f.search} @input=${onSearch}></label>
    <select class="select sm" id="filter-status" aria-label="Status" @change=${(event) => change({ status: event.target.value })}>${option('', 'Any status', f.status)}
      ${STATUSES.filter((name) => counts?.status[name] || name === f.status).map((name) => option(name, withCount(words(name), counts?.status[name]), f.status))}</select>
    <select class="select sm" id="filter-preset" aria-label="Preset" @change=${(event) => change({ preset: event.target.value })}>${option('', 'All presets', f.preset)}
      ${presets.map((name) => option(name, withCount(words(name), counts?.preset[name]), f.preset))}</select>
    <select class="select sm" id="filter-range" aria-label="Created" @change=${(event) => change({ range: event.target.value })}>${RANGES.map(([id, label]) => option(id, label, f.range))}</select>
    ${isFiltered() ? html`<button type="button" class="btn ghost sm" @click=${clearFilters}>${icon('x', 'sm')}Clear All Filters</button>` : nothing}</div>`;
}

const isFiltered = () => Boolean(state.filters.status || state.filters.preset || state.filters.search || state.filters.range !== '30d');

function clearFilters() {
  change({ status: '', preset: '', search: '', range: '30d', tab: 'all' });
}

const applySearch = debounce((text) => change({ search: text }), SEARCH_DELAY_MS);
function onSearch(event) {
  applySearch(event.target.value.trim());
}

function sortBy(key) {
  const f = state.filters;
  change({ sortBy: key, sortDir: f.sortBy === key && f.sortDir === 'desc' ? 'asc' : 'desc' });
}

function header([, label, classes, key]) {
  if (!key) return html`<th role="columnheader" scope="col" class=${classes}>${classes === 'c-menu' ? html`<span class="sr">${label}</span>` : label}</th>`;
  const f = state.filters;
  const direction = f.sortBy === key ? (f.sortDir === 'asc' ? 'ascending' : 'descending') : 'none';
  return html`<th role="columnheader" scope="col" class=${classes} aria-sort=${direction}><button type="button" class="th-sort" @click=${() => sortBy(key)}>${label}${icon(f.sortDir === 'asc' ? 'arrow-up' : 'arrow-down', 'sm')}</button></th>`;
}

function nothingFound() {
  const f = state.filters;
  const clear = html`<button type="button" class="btn" @click=${clearFilters}>Clear Filters</button>`;
  if (f.search) return empty(`No jobs found matching '${f.search}'.`, 'Try different search terms.', clear, 'search');
  const total = state.page.counts.tab.all;
  if (isFiltered() && total) return empty('No jobs match your filters.', nothing, clear, 'list-filter');
  if (f.tab !== 'all' && total) return empty(`No ${f.tab === 'draft' ? 'drafts' : `${f.tab} jobs`}.`, nothing, html`<button type="button" class="btn" @click=${() => change({ tab: 'all' })}>Show all jobs</button>`);
  return empty('No training jobs yet.', 'Upload conversations, pick a preset and see the price before anything starts.', html`<a class="btn primary" href="/training-jobs/new">Create Your First Training Job</a>`, 'sparkles');
}

function table() {
  const { page } = state;
  if (!page) return notice(state.error.message, () => poller.refresh());
  if (page.jobs.length === 0) return html`<div class="card">${nothingFound()}</div>`;
  return html`${state.error ? notice(`${state.error.message} Showing the last data.`, () => poller.refresh(), 'warning') : nothing}
    <div class="card ${state.loading ? 'dim' : ''}"><table class="table jobs" role="table" aria-label="Training jobs, ${plural(page.pagination.total, 'result')}"><thead role="rowgroup"><tr role="row">${COLUMNS.map(header)}</tr></thead>
    <tbody role="rowgroup">${repeat(page.jobs, (job) => job.id, (job) => jobRow(job, { changed: state.changed.has(job.id), onMenu: showMenu, onOpen: open }))}</tbody></table>
    ${pager(page.pagination, 'jobs', (number) => change({ page: number }), { sizes: SIZES, onSize: (limit) => change({ limit }) })}</div>`;
}

function paint() {
  const counts = state.page?.counts.tab;
  mount(find('#tabs'), tabBar(TABS.map(([id, label]) => ({ id, label, count: counts ? count(counts[id] ?? 0) : '·' })), state.filters.tab, (tab) => change({ tab }), { label: 'Jobs by status', panel: 'list' }));
  mount(find('#filters'), filterBar());
  if (state.page || state.error) mount(find('#list'), table());
}

function start() {
  if (location.pathname === '/') history.replaceState(null, '', `/dashboard/training-jobs${location.search}`);
  if (!startShell()) return;
  paint();
  poller = startPolling({
    intervalSeconds: INTERVAL_SECONDS,
    tick: load,
    onState({ busy, error }) {
      showLive(error ? 'offline' : busy ? 'busy' : 'live');
      if (!error) return;
      Object.assign(state, { error, loading: false });
      paint();
    },
  });
  addEventListener('popstate', () => {
    state.filters = readFilters();
    state.loading = true;
    paint();
    poller.refresh();
  });
}

start();
