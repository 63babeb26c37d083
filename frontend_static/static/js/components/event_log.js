import { repeat } from 'lit-html/directives/repeat.js';
import { get, query } from '../shared/api.js';
import { count, plural } from '../shared/format.js';
import { debounce, readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, html, icon, nothing, notice, render } from '../shared/view.js';
import { EVENT_TYPES, eventRow } from './event_row.js';
import { pager } from './pagination.js';

const SEARCH_DELAY_MS = 500;
const SIZES = [25, 50, 100];
const VIEWS = [['list', 'List'], ['timeline', 'Timeline']];
/** Words of the address for each type, as people share them. */
const FILTER_WORDS = { status: 'status', metrics: 'metrics', warning: 'warnings', error: 'errors', checkpoint: 'checkpoints', info: 'info' };

function typesFromAddress() {
  const words = (readParameter('filter') ?? '').split(',');
  return Object.keys(FILTER_WORDS).filter((type) => words.includes(FILTER_WORDS[type]));
}

/** The complete event log of a job: filter by type, search, pages, payloads, a list or a timeline, export. */
export class EventLog {
  /** @param {HTMLElement} host @param {{id: string, name: string}} job */
  constructor(host, job) {
    this.host = host;
    this.job = job;
    this.types = typesFromAddress();
    this.search = readParameter('q') ?? '';
    this.view = readParameter('view') === 'timeline' ? 'timeline' : 'list';
    this.sort = 'desc';
    this.page = Math.max(1, Number(readParameter('page')) || 1);
    this.limit = 50;
    this.reply = null;
    this.error = null;
    this.pinned = null;
    this.isPinnedOpen = false;
    this.timeline = null;
    this.known = new Set();
    this.fresh = new Set();
    this.findLater = debounce((text) => this.change({ search: text }), SEARCH_DELAY_MS);
    host.addEventListener('keydown', (event) => this.#onKey(event));
  }

  #path(page, limit) {
    return `/jobs/${this.job.id}/events${query({ type: this.types, search: this.search, sort: this.sort, page, limit })}`;
  }

  /** Reads the page shown; rows not seen before are marked when `live`. @param {boolean} [live] */
  async load(live = false) {
    const path = this.#path(this.page, this.limit);
    try {
      const [reply] = await Promise.all([get(path), this.view === 'timeline' ? this.#loadTimeline() : null]);
      if (path !== this.#path(this.page, this.limit)) return;
      this.fresh = new Set(live ? reply.events.filter((event) => !this.known.has(event.id)).map((event) => event.id) : []);
      for (const event of reply.events) this.known.add(event.id);
      this.reply = reply;
      this.error = null;
      if (!live) announce(this.search ? this.#found() : `Event log table with ${plural(reply.pagination.total, 'event')}. Use arrow keys to navigate.`);
    } catch (error) {
      this.error = error;
    }
    this.paint();
  }

  /** The drawing code, and what is pinned on top whatever the filters say. */
  async #loadTimeline() {
    const path = (values) => `/jobs/${this.job.id}/events${query({ ...values, limit: 50 })}`;
    const [drawing, problems, capped] = await Promise.all([
      import('./event_timeline.js'),
      get(path({ type: ['error', 'warning'] })),
      get(path({ type: 'status', search: 'spend_cap' })),
    ]);
    this.timeline = drawing;
    this.pinned = [...problems.events, ...capped.events];
  }

  /** @param {object} values of search, types, page, limit, sort or view */
  change(values) {
    Object.assign(this, { page: 1 }, values);
    writeParameters({
      filter: this.types.map((type) => FILTER_WORDS[type]).join(','), q: this.search,
      view: this.view === 'list' ? null : this.view, page: this.page === 1 ? null : this.page,
    });
    return this.load();
  }

  /** New events arrived: shown at once on the first page, newest first. @param {object[]} events */
  onNewEvents(events) {
    if (this.page !== 1 || this.sort !== 'desc') return;
    this.load(true);
    if (events.some((event) => ['error', 'warning'].includes(event.type))) this.host.scrollIntoView({ block: 'start' });
  }

  /** Left and right turn pages, up and down walk over the rows. */
  async #onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest('input, select, pre')) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const row = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by) {
      const page = this.page + by;
      if (page < 1 || page > (this.reply?.pagination.total_pages ?? 1)) return;
      event.preventDefault();
      await this.change({ page });
      this.host.querySelector('.pager [aria-current="page"]')?.focus();
    } else if (row && event.target.matches('summary')) {
      event.preventDefault();
      const rows = [...this.host.querySelectorAll('summary')].filter((one) => one.checkVisibility());
      rows[rows.indexOf(event.target) + row]?.focus();
    }
  }

  #found() {
    return `Found ${plural(this.reply.pagination.total, 'event')} matching '${this.search}'`;
  }

  #toggleType(type) {
    if (type === null) return this.change({ types: [] });
    const types = this.types.includes(type) ? this.types.filter((one) => one !== type) : [...this.types, type];
    return this.change({ types });
  }

  async #export() {
    const { openExportDialog } = await import('./export_log_dialog.js');
    openExportDialog(this.job, { types: this.types, search: this.search, sort: this.sort });
  }

  #toolbar() {
    const counts = this.reply?.counts;
    const total = counts ? Object.values(counts).reduce((sum, value) => sum + value, 0) : null;
    const button = (type, label, amount) => html`<button type="button" aria-pressed=${type === null ? this.types.length === 0 : this.types.includes(type)}
      @click=${() => this.#toggleType(type)}>${label}${amount === null || amount === undefined ? nothing : html` <span class="seg-count num">${count(amount)}</span>`}</button>`;
    return html`<header><h2>Event log</h2>
      <div class="seg" role="group" aria-label="View">${VIEWS.map(([view, label]) => html`<button type="button" aria-pressed=${String(this.view === view)} @click=${() => this.change({ view, page: this.page })}>${label}</button>`)}</div>
      <button type="button" class="btn sm" @click=${() => this.change({ sort: this.sort === 'desc' ? 'asc' : 'desc' })}>${icon(this.sort === 'desc' ? 'arrow-down' : 'arrow-up', 'sm')}${this.sort === 'desc' ? 'Newest first' : 'Oldest first'}</button>
      <button type="button" class="btn sm" id="export-log" @click=${() => this.#export()}>${icon('download', 'sm')}Export Log</button></header>
      <div class="log-tools"><div class="seg scroll-x" role="group" aria-label="Show">${button(null, 'All Events', total)}
      ${Object.entries(EVENT_TYPES).map(([type, { label }]) => button(type, label, counts?.[type]))}</div>
      <label class="search">${icon('search', 'sm')}<span class="sr">Search events</span><input type="search" id="event-search" placeholder="Search events by message or payload..."
        .value=${this.search} @input=${(event) => this.findLater(event.target.value.trim())}></label></div>`;
  }

  #rows() {
    if (!this.reply) return this.error ? nothing : html`<div class="body stack-2">${[1, 2, 3, 4, 5, 6].map(() => html`<span class="skeleton h-20"></span>`)}</div>`;
    const { events, pagination } = this.reply;
    const options = { search: this.search, repaint: () => this.paint() };
    const isTimeline = this.view === 'timeline' && this.timeline;
    const onMore = () => {
      this.isPinnedOpen = !this.isPinnedOpen;
      this.paint();
    };
    return html`${isTimeline ? this.timeline.pinned(this.pinned, this.isPinnedOpen, onMore, { repaint: options.repaint }) : nothing}
      ${this.search ? html`<p class="pad small muted">${this.#found()}</p>` : nothing}
      ${events.length === 0 ? this.#nothingFound() : isTimeline ? this.timeline.timeline(events, options)
        : html`<ul class="log" aria-label="Events">${repeat(events, (event) => event.id, (event) => eventRow(event, { ...options, fresh: this.fresh.has(event.id) }))}</ul>`}
      ${pager(pagination, 'events', (page) => this.change({ page }), { sizes: SIZES, onSize: (limit) => this.change({ limit }) })}`;
  }

  #nothingFound() {
    const isFiltered = this.search || this.types.length;
    const clear = html`<button type="button" class="btn sm" @click=${() => this.change({ search: '', types: [] })}>Clear filters</button>`;
    return empty(isFiltered ? 'No events match.' : 'No events yet', isFiltered ? nothing : 'Events appear as the job runs.', isFiltered ? clear : nothing, 'file-text');
  }

  /** Draws what is known. */
  paint() {
    render(
      html`<section class="card" aria-label="Event log">${this.#toolbar()}
        ${this.error ? html`<div class="pad">${notice(`Unable to load event log. ${this.error.message}`, () => this.load())}</div>` : nothing}${this.#rows()}</section>`,
      this.host,
    );
  }
}
