import { repeat } from 'lit-html/directives/repeat.js';
import { get, query } from '../shared/api.js';
import { count, fileSafe, plural } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { debounce, readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, html, icon, nothing, notice, render } from '../shared/view.js';
import { EVENT_TYPES, eventRow } from './event_row.js';
import { pager } from './pagination.js';
import { saveBlob } from './save.js';

const SEARCH_DELAY_MS = 500;
const SIZES = [25, 50, 100];
/** Words of the address for each type, as people share them. */
const FILTER_WORDS = { status: 'status', metrics: 'metrics', warning: 'warnings', error: 'errors', checkpoint: 'checkpoints', info: 'info' };
const EXPORT_PAGE = 100;

function typesFromAddress() {
  const words = (readParameter('filter') ?? '').split(',');
  return Object.keys(FILTER_WORDS).filter((type) => words.includes(FILTER_WORDS[type]));
}

/** The complete event log of a job: filter by type, search, pages, payloads, export. */
export class EventLog {
  /** @param {HTMLElement} host @param {{id: string, name: string}} job */
  constructor(host, job) {
    this.host = host;
    this.job = job;
    this.types = typesFromAddress();
    this.search = readParameter('q') ?? '';
    this.sort = 'desc';
    this.page = 1;
    this.limit = 50;
    this.reply = null;
    this.error = null;
    this.known = new Set();
    this.fresh = new Set();
    this.findLater = debounce((text) => this.change({ search: text }), SEARCH_DELAY_MS);
  }

  #path(page, limit) {
    return `/jobs/${this.job.id}/events${query({ type: this.types, search: this.search, sort: this.sort, page, limit })}`;
  }

  /** Reads the page shown; rows not seen before are marked when `live`. @param {boolean} [live] */
  async load(live = false) {
    const path = this.#path(this.page, this.limit);
    try {
      const reply = await get(path);
      if (path !== this.#path(this.page, this.limit)) return;
      this.fresh = new Set(live ? reply.events.filter((event) => !this.known.has(event.id)).map((event) => event.id) : []);
      for (const event of reply.events) this.known.add(event.id);
      this.reply = reply;
      this.error = null;
      if (!live) announce(this.search ? this.#found() : `Event log table with ${plural(reply.pagination.total, 'event')}.`);
    } catch (error) {
      this.error = error;
    }
    this.paint();
  }

  /** @param {object} values of search, types, page, limit or sort */
  change(values) {
    Object.assign(this, { page: 1 }, values);
    writeParameters({ filter: this.types.map((type) => FILTER_WORDS[type]).join(','), q: this.search });
    this.load();
  }

  /** New events arrived: shown at once on the first page, newest first. @param {object[]} events */
  onNewEvents(events) {
    if (this.page !== 1 || this.sort !== 'desc') return;
    this.load(true);
    if (events.some((event) => ['error', 'warning'].includes(event.type))) this.host.scrollIntoView({ block: 'start' });
  }

  #found() {
    return `Found ${plural(this.reply.pagination.total, 'event')} matching '${this.search}'`;
  }

  #toggleType(type) {
    if (type === null) return this.change({ types: [] });
    const types = this.types.includes(type) ? this.types.filter((one) => one !== type) : [...this.types, type];
    return this.change({ types });
  }

  #toolbar() {
    const counts = this.reply?.counts;
    const total = counts ? Object.values(counts).reduce((sum, value) => sum + value, 0) : null;
    const button = (type, label, amount) => html`<button type="button" aria-pressed=${type === null ? this.types.length === 0 : this.types.includes(type)}
      @click=${() => this.#toggleType(type)}>${label}${amount === null || amount === undefined ? nothing : html` <span class="seg-count num">${count(amount)}</span>`}</button>`;
    return html`<header><h2>Event log</h2>
      <button type="button" class="btn sm" @click=${() => this.change({ sort: this.sort === 'desc' ? 'asc' : 'desc' })}>${icon(this.sort === 'desc' ? 'arrow-down' : 'arrow-up', 'sm')}${this.sort === 'desc' ? 'Newest first' : 'Oldest first'}</button>
      <button type="button" class="btn sm" @click=${() => this.#export('json')}>${icon('download', 'sm')}JSON</button>
      <button type="button" class="btn sm" @click=${() => this.#export('csv')}>${icon('download', 'sm')}CSV</button></header>
      <div class="log-tools"><div class="seg scroll-x" role="group" aria-label="Show">${button(null, 'All Events', total)}
      ${Object.entries(EVENT_TYPES).map(([type, { label }]) => button(type, label, counts?.[type]))}</div>
      <label class="search">${icon('search', 'sm')}<span class="sr">Search events</span><input type="search" id="event-search" placeholder="Search events by message or payload..."
        .value=${this.search} @input=${(event) => this.findLater(event.target.value.trim())}></label></div>`;
  }

  #rows() {
    if (!this.reply) return this.error ? nothing : html`<div class="body stack-2">${[1, 2, 3, 4, 5, 6].map(() => html`<span class="skeleton h-20"></span>`)}</div>`;
    const { events, pagination } = this.reply;
    if (events.length === 0) {
      const filtered = this.search || this.types.length;
      const clear = html`<button type="button" class="btn sm" @click=${() => this.change({ search: '', types: [] })}>Clear filters</button>`;
      return empty(filtered ? 'No events match.' : 'No events yet', filtered ? nothing : 'Events appear as the job runs.', filtered ? clear : nothing, 'file-text');
    }
    const repaint = () => this.paint();
    return html`${this.search ? html`<p class="pad small muted">${this.#found()}</p>` : nothing}
      <ul class="log" aria-label="Events">${repeat(events, (event) => event.id, (event) => eventRow(event, { search: this.search, fresh: this.fresh.has(event.id), repaint }))}</ul>
      ${pager(pagination, 'events', (page) => { this.page = page; this.load(); }, { sizes: SIZES, onSize: (limit) => this.change({ limit }) })}`;
  }

  async #all() {
    const events = [];
    for (let page = 1; ; page += 1) {
      const reply = await get(this.#path(page, EXPORT_PAGE));
      events.push(...reply.events);
      if (page >= reply.pagination.total_pages) return events;
    }
  }

  async #export(kind) {
    try {
      const events = await this.#all();
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
      const text = kind === 'json' ? JSON.stringify(events, null, 2) : eventsCsv(events);
      saveBlob(new Blob([text], { type: kind === 'json' ? 'application/json' : 'text/csv' }), `${fileSafe(this.job.name)}-event-log-${stamp}.${kind}`);
      toast(`${plural(events.length, 'event')} exported`);
    } catch (error) {
      toast(`The event log was not exported. ${error.message}`, 'danger');
    }
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

/** @param {object[]} events @returns {string} CSV; cells that a spreadsheet would run as formulas are made plain text */
export function eventsCsv(events) {
  const cell = (value) => {
    const text = String(value);
    const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return `"${plain.replaceAll('"', '""')}"`;
  };
  const rows = events.map((event) => [event.at, event.type, event.message, JSON.stringify(event.data)].map(cell).join(','));
  return ['timestamp,event_type,message,full_payload', ...rows].join('\r\n');
}
