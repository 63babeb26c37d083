import { post } from '../shared/api.js';
import { count, plural } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { announce, find, html, icon, progress, render } from '../shared/view.js';
import { followDownload, saveBlob } from './save.js';

const PART = 1000;
const MOST = 10_000;

/** A message that stays while a long list is read, with the share that is there. */
function progressMessage() {
  const item = document.createElement('div');
  item.className = 'toast';
  item.dataset.tone = 'info';
  const host = find('#toasts');
  return {
    show(done, total) {
      const share = Math.round((100 * done) / total);
      render(html`${icon('download')}<span>Exporting jobs: ${count(done)} of ${count(total)} (${share}%)${progress(share, 'Export', '', 'thin')}</span>`, item);
      if (item.isConnected) return;
      host.append(item);
      host.hidePopover?.();
      host.showPopover?.();
      announce(`Exporting ${plural(total, 'job')}`);
    },
    close: () => item.remove(),
  };
}

/** Part after part, so that a long export shows how far it is. */
async function readParts(filters, message) {
  const ask = (offset) => post('/exports', { kind: 'jobs_csv', filters, offset, limit: PART });
  const first = await ask(0);
  const total = Math.min(first.total, MOST);
  const parts = [first.content];
  let rows = first.rows;
  while (first.content !== null && rows < total) {
    message.show(rows, total);
    const next = await ask(rows);
    if (!next.rows) break;
    parts.push(next.content);
    rows += next.rows;
  }
  return { ...first, parts, rows };
}

/**
 * Saves jobs as CSV. @param {Record<string, string|string[]>} filters as `POST /api/exports` takes them
 */
export async function exportJobs(filters) {
  toast('Preparing the CSV file…', 'info');
  const message = progressMessage();
  try {
    const made = await readParts(filters, message);
    if (made.content === null) followDownload(made.url, made.file_name);
    else saveBlob(new Blob(made.parts, { type: 'text/csv;charset=utf-8' }), made.file_name);
    if (made.rows < made.total) toast(`The file holds the first ${count(made.rows)} of ${plural(made.total, 'job')}. Narrow the list to export the others.`, 'warning');
    else toast(`${plural(made.rows, 'job')} exported`);
  } catch (error) {
    toast(`The jobs were not exported. ${error.message}`, 'danger');
  } finally {
    message.close();
  }
}
