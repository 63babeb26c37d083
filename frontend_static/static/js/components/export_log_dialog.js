import { get, query } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { fileSafe, plural } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, nothing, render } from '../shared/view.js';
import { saveBlob } from './save.js';

const PAGE = 100;
const LAST_OF_A_MINUTE_MS = 59_999;

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

/**
 * What is typed in the viewer's own time as the API asks for it. Both ends are included, the last minute whole.
 * @param {string} from @param {string} to as `datetime-local` gives them, empty for no limit
 * @returns {{from: string|null, to: string|null, problem: string|null}}
 */
export function chosenRange(from, to) {
  const begin = from ? new Date(from) : null;
  const end = to ? new Date(new Date(to).getTime() + LAST_OF_A_MINUTE_MS) : null;
  const problem = begin && end && begin > end ? 'The end is before the beginning.' : null;
  return { from: begin?.toISOString() ?? null, to: end?.toISOString() ?? null, problem };
}

async function readAll(jobId, values) {
  const events = [];
  for (let page = 1; ; page += 1) {
    const reply = await get(`/jobs/${jobId}/events${query({ ...values, page, limit: PAGE })}`);
    events.push(...reply.events);
    if (page >= reply.pagination.total_pages) return events;
  }
}

/**
 * Asks for format, range and filters, then hands the file over.
 * @param {{id: string, name: string}} job
 * @param {{types: string[], search: string, sort: string}} filters of the view
 */
export function openExportDialog(job, filters) {
  const dialog = createDialog('export-title');
  const isFiltered = filters.types.length > 0 || Boolean(filters.search);
  const state = { kind: 'json', onlyFiltered: false, from: '', to: '', problem: null, isBusy: false };
  const set = (values) => {
    Object.assign(state, { problem: null }, values);
    paint();
  };

  async function save(event) {
    event.preventDefault();
    const { from, to, problem } = chosenRange(state.from, state.to);
    if (problem) {
      set({ problem });
      return;
    }
    set({ isBusy: true });
    try {
      const narrowed = state.onlyFiltered ? { type: filters.types, search: filters.search } : {};
      const events = await readAll(job.id, { ...narrowed, from, to, sort: filters.sort });
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
      const isJson = state.kind === 'json';
      saveBlob(new Blob([isJson ? JSON.stringify(events, null, 2) : eventsCsv(events)], { type: isJson ? 'application/json' : 'text/csv' }), `${fileSafe(job.name)}-event-log-${stamp}.${state.kind}`);
      dialog.close();
      toast(`${plural(events.length, 'event')} exported`);
    } catch (error) {
      set({ isBusy: false, problem: `The event log was not exported. ${error.message}` });
    }
  }

  const limit = (id, label) => html`<div class="field"><label for="export-${id}">${label}</label><input class="input" id="export-${id}" type="datetime-local" .value=${state[id]} aria-describedby="export-zone" @input=${(event) => set({ [id]: event.target.value })}></div>`;

  function paint() {
    render(
      html`<form @submit=${save}><div class="modal-body"><h2 id="export-title">Export Log</h2>
        <div class="seg" role="group" aria-label="Format">${['json', 'csv'].map((kind) => html`<button type="button" aria-pressed=${String(state.kind === kind)} @click=${() => set({ kind })}>${kind.toUpperCase()}</button>`)}</div>
        <label class="check"><input type="checkbox" id="export-filtered" .checked=${state.onlyFiltered} ?disabled=${!isFiltered} @change=${(event) => set({ onlyFiltered: event.target.checked })}><span>Export current filtered view only${isFiltered ? nothing : html` <span class="muted">(no filter is set)</span>`}</span></label>
        <div class="two-fields">${limit('from', 'Export events from')}${limit('to', 'to')}</div>
        <p class="small muted" id="export-zone">In your browser's time. Left empty, the log is exported from its first line to its last.</p>
        ${state.problem ? html`<p class="field-error danger small" role="alert">${state.problem}</p>` : nothing}</div>
        <footer><button type="button" class="btn" @click=${() => dialog.close()}>Close</button><button type="submit" class="btn primary" id="export-save" autofocus ?disabled=${state.isBusy}>${icon('download', 'sm')}${state.isBusy ? 'Exporting...' : 'Export'}</button></footer></form>`,
      dialog,
    );
  }

  paint();
  openDialog(dialog);
}
