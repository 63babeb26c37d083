import { get, put } from '../shared/api.js';
import { hasRole } from '../shared/session.js';
import { toast } from '../shared/toast.js';

async function withJob(job, what, open) {
  try {
    open(await get(`/jobs/${job.id}`));
  } catch (error) {
    toast(`${what} ${error.message}`, 'danger');
  }
}

async function showConfiguration(job) {
  const { openConfigurationDialog } = await import('./configuration_dialog.js');
  await withJob(job, 'The configuration could not be read.', openConfigurationDialog);
}

async function remove(job, onChange) {
  const { openCancelDialog } = await import('./cancel_dialog.js');
  await withJob(job, 'The job was not removed.', (full) => openCancelDialog(full, onChange));
}

async function clone(job) {
  const { cloneJob } = await import('./clone_job.js');
  await cloneJob(job);
}

async function promote(job, onChange) {
  const { openPromotionDialog } = await import('./promotion_dialog.js');
  openPromotionDialog(job, onChange);
}

async function watch(job, wanted, onChange) {
  try {
    await put(`/jobs/${job.id}/watch`, { queue: wanted });
    toast(wanted ? `You will be told in the app and by e-mail when ${job.name} nears its turn and starts.` : `You will hear no more of ${job.name} in the queue.`);
  } catch (error) {
    toast(`That was not saved. ${error.message}`, 'danger');
  }
  onChange();
}

/**
 * What can be done with a job in the queue now.
 * @param {object} job of the queue, or of a slot that has no GPU yet
 * @param {() => void} onChange
 */
export function queueItems(job, onChange) {
  const waits = job.status === 'queued';
  const asked = job.promotion_requested;
  const items = [
    { label: 'View Configuration', icon: 'file-text', action: () => showConfiguration(job) },
    job.may_edit && { label: 'Edit Configuration', icon: 'pencil', href: `${job.page}/configure` },
    waits && job.may_ask_promotion && { label: 'Promote to Front', icon: 'chevrons-up', action: () => promote(job, onChange) },
    asked && (hasRole('manager') || job.may_change) && { label: 'View Promotion Request', icon: 'clipboard-check', href: `/approvals/${asked}` },
    { label: 'Clone Job', icon: 'copy', action: () => clone(job) },
    waits && !job.watching && { label: 'Notify Me When Starting', icon: 'bell', action: () => watch(job, true, onChange) },
    waits && job.watching && { label: 'Stop Notifying Me', icon: 'bell-off', action: () => watch(job, false, onChange) },
    job.may_change && { label: waits ? 'Remove from Queue' : 'Cancel Job', icon: 'octagon-x', tone: 'danger', action: () => remove(job, onChange) },
  ];
  return items.filter(Boolean);
}
