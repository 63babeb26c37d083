import { get, remove } from '../shared/api.js';
import { toast } from '../shared/toast.js';
import { pageOf } from './job_row.js';

const VIEWS = { pending_configuration: ['Edit Configuration', 'pencil', ''], completed: ['View Results', 'activity', ''], failed: ['View Error Log', 'file-text', '?tab=event-log'], cancelled: ['View Partial Results', 'activity', ''] };

async function copy(text, what) {
  await navigator.clipboard.writeText(text);
  toast(`${what} copied`);
}

/** Dialogs are fetched when they are first asked for; each wants the whole job. */
async function withDialog(verb, job, onDone) {
  try {
    const [full, dialogs] = await Promise.all([get(`/jobs/${job.id}`), import('./job_dialogs.js')]);
    dialogs[verb](full, onDone);
  } catch (error) {
    toast(`Failed to ${verb} job. ${error.message}`, 'danger');
  }
}

async function clone(job) {
  const { cloneJob } = await import('./clone_job.js');
  await cloneJob(job);
}

async function deleteJob(job, onDone) {
  const { confirmDialog } = await import('../shared/confirm.js');
  const sure = await confirmDialog({ title: 'Delete this job?', text: `${job.name} and its metrics and event log are removed. This cannot be undone.`, confirm: 'Delete job' });
  if (!sure) return;
  try {
    await remove(`/jobs/${job.id}`);
    toast('Job deleted');
  } catch (error) {
    toast(`The job was not deleted. ${error.message}`, 'danger');
  }
  onDone();
}

const copies = (job) => [
  { label: 'Copy Job ID', icon: 'copy', action: () => copy(job.id, 'Job ID') },
  { label: 'Copy Job Link', icon: 'external-link', action: () => copy(new URL(pageOf(job), location.origin).href, 'Link') },
];

/** What a right click on a row offers. @param {object} job */
export function contextItems(job) {
  return [
    { label: 'Open', icon: 'activity', href: pageOf(job) },
    { label: 'Open in New Tab', icon: 'external-link', action: () => window.open(pageOf(job), '_blank', 'noopener') },
    ...copies(job),
  ];
}

/**
 * What can be done with a job now.
 * @param {object} job row of the list
 * @param {() => void} done
 */
export function menuItems(job, done) {
  const may = (action) => job.allowed_actions.includes(action);
  const [view, icon, tab] = VIEWS[job.status] ?? ['View Dashboard', 'activity', ''];
  const page = pageOf(job);
  const items = [
    may('start') && { label: 'Start Now', icon: 'rocket', href: page },
    { label: view, icon, href: page + tab },
    job.model_id && { label: 'Download Artifacts', icon: 'download', href: `/models/${job.model_id}` },
    may('pause') && { label: 'Pause Job', icon: 'pause', action: () => withDialog('pause', job, done) },
    may('resume') && { label: 'Resume Job', icon: 'play', action: () => withDialog('resume', job, done) },
    may('retry') && { label: job.status === 'failed' ? 'Retry with Suggestions' : 'Retry', icon: 'rotate-ccw', action: () => withDialog('retry', job, done) },
    may('clone') && { label: job.status === 'cancelled' ? 'Clone Configuration' : 'Clone', icon: 'copy', action: () => clone(job) },
    !may('start') && { label: 'Compare...', icon: 'scale', href: `/training-jobs/compare?ids=${job.id}` },
    ...copies(job),
    may('cancel') && { label: 'Cancel Job', icon: 'octagon-x', tone: 'danger', action: () => withDialog('cancel', job, done) },
    may('delete') && { label: 'Delete', icon: 'trash-2', tone: 'danger', action: () => deleteJob(job, done) },
  ];
  return items.filter(Boolean);
}
