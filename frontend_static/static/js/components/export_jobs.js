import { post } from '../shared/api.js';
import { count, plural } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { followDownload, saveBlob } from './save.js';

/**
 * Saves jobs as CSV. @param {Record<string, string|string[]>} filters as `POST /api/exports` takes them
 */
export async function exportJobs(filters) {
  toast('Preparing the CSV file…', 'info');
  try {
    const made = await post('/exports', { kind: 'jobs_csv', filters });
    if (made.content === null) followDownload(made.url, made.file_name);
    else saveBlob(new Blob([made.content], { type: 'text/csv;charset=utf-8' }), made.file_name);
    if (made.rows < made.total) toast(`The file holds the first ${count(made.rows)} of ${plural(made.total, 'job')}. Narrow the list to export the others.`, 'warning');
    else toast(`${plural(made.rows, 'job')} exported`);
  } catch (error) {
    toast(`The jobs were not exported. ${error.message}`, 'danger');
  }
}
