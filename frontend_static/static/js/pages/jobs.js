import { live } from 'lit-html/directives/live.js';
import { repeat } from 'lit-html/directives/repeat.js';
import { bulkBar, fitting, MOST_SELECTED } from '../components/bulk_bar.js';
import { asQuery, chipRow, chips, filterPanel, noFilters, rangeSentence, readFilters, SIZES, sortOf, writeFilters } from '../components/job_filters.js';
import { contextItems, menuItems } from '../components/job_menu.js';
import { jobRow, pageOf } from '../components/job_row.js';
import { openMenu } from '../components/menu.js';
import { pager } from '../components/pagination.js';
import { queueTab } from '../components/queue_tab.js';
import { tabBar } from '../components/tabs.js';
import { get, query } from '../shared/api.js';
import { count, plural } from '../shared/format.js';
import { startPolling } from '../shared/poll.js';
import { showLive, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { debounce, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, mount, nothing, notice } from '../shared/view.js';

const INTERVAL_SECONDS = 10;
const SEARCH_DELAY_MS = 500;
const ALL_AT_ONCE = 100;
const TABS = [['all', 'All Jobs'], ['queue', 'Queue'], ['active', 'Active'], ['completed', 'Completed'], ['failed', 'Failed'], ['cancelled', 'Cancelled'], ['draft', 'Drafts']];
const COLUMNS = [
  ['name', 'Job', 'c-name', null], ['status', 'Status', 'c-status', 'status'], ['configuration', 'Configuration', 'c-config', null],
  ['created_by', 'Created by', 'c-by', 'created_by'], ['started_at', 'Started', 'c-start', 'started_at'],
  ['duration', 'Duration', 'c-time', 'duration'], ['cost', 'Cost', 'c-cost', 'cost'], ['menu', 'Actions', 'c-menu', null],
];
const cards = matchMedia('(max-width: 640px)');

const state = {
  page: null, filters: readFilters(), error: null, loading: true, changed: new Set(), expanded: new Set(),
  selected: new Map(), collecting: false, showsFilters: false, view: { isWide: !cards.matches, person: '' },
};
let poller = null;
const queue = queueTab(find('#queue'), { refresh: () => poller.refresh(), paint: () => paint() });
const isQueue = () => state.filters.tab === 'queue';

/** Changed filters end a selection: what is acted on should be in sight. */
function change(values, keepSelection = false) {
  state.filters = { ...state.filters, page: 1, ...values };
  state.loading = true;
  if (!keepSelection) state.selected.clear();
  writeFilters(state.filters);
  paint();
  poller.refresh();
}

const pagePath = (number, limit) => `/jobs${query({ ...asQuery(state.filters), page: number, limit })}`;
const listPath = () => pagePath(state.filters.page, state.filters.limit);

async function load(signal) {
  if (isQueue()) return queue.load(signal);
  const wanted = listPath();
  const page = await get(wanted, { signal });
  if (wanted !== listPath()) return {};
  const pages = page.pagination.total_pages;
  if (state.filters.page > pages) {
    change({ page: pages }, true);
    return {};
  }
  const before = new Map(state.page?.jobs.map((job) => [job.id, job.changed_at]));
  state.changed = new Set(before.size ? page.jobs.filter((job) => before.get(job.id) !== job.changed_at).map((job) => job.id) : []);
  if (state.loading && state.page) announce(`Training jobs table with ${plural(page.pagination.total, 'result')}`);
  for (const job of page.jobs) if (state.selected.has(job.id)) state.selected.set(job.id, job);
  Object.assign(state, { page, error: null, loading: false });
  const f = state.filters;
  queue.count(page.counts, ['all', 'active'].includes(f.tab) && !f.search && chips(f, page.counts).length === 0);
  paint();
  return {};
}

// -- rows -----------------------------------------------------------------------------------------------------------

function open(event, job) {
  if (event.button > 1 || event.target.closest('a, button, input, label') || getSelection()?.toString()) return;
  if (event.button === 1 || event.ctrlKey || event.metaKey) window.open(pageOf(job), '_blank', 'noopener');
  else if (cards.matches) expand(event, job);
  else location.assign(pageOf(job));
}

function expand(_, job) {
  if (!state.expanded.delete(job.id)) state.expanded.add(job.id);
  paint();
}

function put(jobs, chosen) {
  for (const job of jobs) {
    if (!chosen) state.selected.delete(job.id);
    else if (state.selected.size < MOST_SELECTED) state.selected.set(job.id, job);
  }
  paint();
}

/** With Shift, everything from the row chosen last. */
function select(event, job) {
  const { jobs } = state.page;
  const [last, here] = [jobs.findIndex((one) => one.id === state.last), jobs.indexOf(job)];
  const range = event.shiftKey && last >= 0 ? jobs.slice(Math.min(last, here), Math.max(last, here) + 1) : [job];
  state.last = job.id;
  put(range, !state.selected.has(job.id));
}

const rowActions = {
  open, expand, select,
  menu: (event, job) => openMenu(event.currentTarget, menuItems(job, () => poller.refresh())),
  context(event, job) {
    if (event.target.closest('input')) return;
    event.preventDefault();
    openMenu(event.currentTarget.querySelector('.job-name'), contextItems(job), event);
  },
};

// -- many jobs ------------------------------------------------------------------------------------------------------

async function selectAll() {
  const wanted = listPath();
  const most = Math.min(state.page.pagination.total, MOST_SELECTED);
  state.collecting = true;
  paint();
  try {
    for (let number = 1; (number - 1) * ALL_AT_ONCE < most; number += 1) {
      const { jobs } = await get(pagePath(number, ALL_AT_ONCE));
      if (wanted !== listPath()) break;
      put(jobs, true);
    }
  } catch (error) {
    toast(`Not all jobs could be selected. ${error.message}`, 'danger');
  }
  state.collecting = false;
  paint();
}

async function actOnSelected(action) {
  const chosen = [...state.selected.values()];
  const jobs = fitting(chosen, action);
  const { openBulkDialog } = await import('../components/bulk_dialog.js');
  openBulkDialog(action, jobs, chosen.length - jobs.length, (doneIds) => {
    for (const id of doneIds) state.selected.delete(id);
    paint();
    poller.refresh();
  });
}

async function save(filters) {
  const { exportJobs } = await import('../components/export_jobs.js');
  exportJobs(filters);
}

function bar() {
  const { page, selected, collecting } = state;
  const view = { total: page?.pagination.total ?? 0, isPageSelected: Boolean(page?.jobs.length) && page.jobs.every((job) => selected.has(job.id)), collecting };
  return bulkBar([...selected.values()], view, {
    all: selectAll, clear: () => put([...selected.values()], false), cancel: () => actOnSelected('cancel'), remove: () => actOnSelected('delete'),
    compare: () => location.assign(`/training-jobs/compare?ids=${[...selected.keys()].join(',')}`),
    save: () => save({ job_ids: [...selected.keys()] }),
  });
}

// -- filters --------------------------------------------------------------------------------------------------------

function clearFilters() {
  change(noFilters());
}

const applySearch = debounce((text) => change({ search: text }), SEARCH_DELAY_MS);

function showExports(event) {
  const total = state.page?.pagination.total;
  openMenu(event.currentTarget, [
    { label: `Export this view${total === undefined ? '' : ` (${plural(total, 'job')})`}`, icon: 'list-filter', action: () => save(asQuery(state.filters)) },
    { label: 'Export all jobs', icon: 'download', action: () => save({}) },
  ]);
}

function filterBar() {
  const f = state.filters;
  const counts = state.page?.counts;
  const active = chips(f, counts);
  const act = {
    change,
    person(text) {
      state.view.person = text;
      paint();
    },
  };
  const toggle = () => {
    state.showsFilters = !state.showsFilters;
    paint();
  };
  return html`<div class="filters" role="search"><label class="search">${icon('search', 'sm')}<span class="sr">Search jobs</span>
      <input type="search" id="search" placeholder="Search by job name, notes, or tags..." .value=${f.search} @input=${(event) => applySearch(event.target.value.trim())}></label>
    <button type="button" class="btn" id="show-filters" aria-expanded=${state.showsFilters} aria-controls=${state.showsFilters ? 'filter-panel' : nothing} @click=${toggle}>${icon('list-filter', 'sm')}Filters${active.length ? ` (${active.length})` : ''}</button>
    <button type="button" class="btn" id="export" aria-haspopup="menu" @click=${showExports}>${icon('download', 'sm')}Export</button></div>
    ${state.showsFilters ? filterPanel(f, counts, state.view, act) : nothing}
    ${active.length || f.search ? chipRow(active, change, clearFilters) : nothing}`;
}

// -- table ----------------------------------------------------------------------------------------------------------

function sortBy(key) {
  const f = state.filters;
  change({ sortBy: key, sortDir: sortOf(f) === key && f.sortDir === 'desc' ? 'asc' : 'desc' }, true);
}

function header([, label, classes, key]) {
  if (!key) return html`<th role="columnheader" scope="col" class=${classes}>${classes === 'c-menu' ? html`<span class="sr">${label}</span>` : label}</th>`;
  const f = state.filters;
  const direction = sortOf(f) === key ? (f.sortDir === 'asc' ? 'ascending' : 'descending') : 'none';
  return html`<th role="columnheader" scope="col" class=${classes} aria-sort=${direction}><button type="button" class="th-sort" @click=${() => sortBy(key)}>${label}${icon(f.sortDir === 'asc' ? 'arrow-up' : 'arrow-down', 'sm')}</button></th>`;
}

function selectPage(jobs) {
  const chosen = jobs.filter((job) => state.selected.has(job.id)).length;
  return html`<label class="box"><input type="checkbox" aria-label="Select all jobs of this page" .checked=${live(chosen === jobs.length)} .indeterminate=${live(chosen > 0 && chosen < jobs.length)} @change=${() => put(jobs, chosen < jobs.length)}></label>`;
}

function nothingFound() {
  const f = state.filters;
  const clear = html`<button type="button" class="btn" @click=${clearFilters}>Clear Filters</button>`;
  if (f.search) return empty(`No jobs found matching '${f.search}'.`, 'Try different search terms.', clear, 'search');
  const { tab } = state.page.counts;
  const filtered = chips(f, state.page.counts).length > 0;
  if (f.tab !== 'all' && tab.all && !filtered) return empty(`No ${f.tab === 'draft' ? 'drafts' : `${f.tab} jobs`}.`, nothing, html`<button type="button" class="btn" @click=${() => change({ tab: 'all' })}>Show all jobs</button>`);
  if (filtered) return empty('No jobs match your filters.', nothing, clear, 'list-filter');
  return empty('No training jobs yet.', 'Upload conversations, pick a preset and see the price before anything starts.', html`<a class="btn primary" href="/training-jobs/new">Create Your First Training Job</a>`, 'sparkles');
}

function table() {
  const { page } = state;
  if (!page) return notice(state.error.message, () => poller.refresh());
  if (page.jobs.length === 0) return html`<div class="card">${nothingFound()}</div>`;
  const row = (job) => jobRow(job, { changed: state.changed.has(job.id), selected: state.selected.has(job.id), expanded: state.expanded.has(job.id) }, rowActions);
  return html`${state.error ? notice(`${state.error.message} Showing the last data.`, () => poller.refresh(), 'warning') : nothing}
    <div class="card ${state.loading ? 'dim' : ''}"><table class="table jobs" role="table" aria-label="Training jobs, ${plural(page.pagination.total, 'result')}"><thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col" class="c-check">${selectPage(page.jobs)}</th>${COLUMNS.map(header)}</tr></thead>
    <tbody role="rowgroup">${repeat(page.jobs, (job) => job.id, row)}</tbody></table>
    ${pager(page.pagination, 'jobs', (number) => change({ page: number }, true), { sizes: SIZES, onSize: (limit) => change({ limit }, true), keys: true })}</div>`;
}

function paint() {
  const counts = state.page?.counts.tab ?? queue.others;
  const showTab = (tab) => {
    writeParameters({ view: null });
    change({ tab, status: [] });
  };
  const number = (id) => (id === 'queue' ? queue.depth : counts && (counts[id] ?? 0));
  find('#summary').textContent = isQueue() ? 'Who trains, who waits, and when each is expected to start, updated live.' : `${rangeSentence(state.filters)}, updated live.`;
  mount(find('#tabs'), tabBar(TABS.map(([id, label]) => ({ id, label, count: number(id) === undefined ? '·' : count(number(id)) })), state.filters.tab, showTab, { label: 'Jobs by status', panel: isQueue() ? 'queue' : 'list' }));
  for (const id of ['filters', 'list', 'bulk']) find(`#${id}`).hidden = isQueue();
  find('#queue').hidden = !isQueue();
  if (isQueue()) return;
  find('.topbar .btn.primary').title = '';
  mount(find('#filters'), filterBar());
  if (state.page || state.error) mount(find('#list'), table());
  mount(find('#bulk'), bar());
}

function fail(error) {
  if (isQueue()) {
    queue.fail(error);
    return;
  }
  Object.assign(state, { error, loading: false });
  paint();
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
      if (error) fail(error);
    },
  });
  addEventListener('popstate', () => {
    state.filters = readFilters();
    state.loading = true;
    state.selected.clear();
    paint();
    poller.refresh();
  });
}

start();
