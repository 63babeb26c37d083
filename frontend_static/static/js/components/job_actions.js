/** What may be done with the job of a page, fetched when something is first done. */
import { get, post, remove } from '../shared/api.js';
import { toast } from '../shared/toast.js';
import { canContinue } from './job_header.js';
import { followDownload } from './save.js';

/** @typedef {{job: object, refresh: () => void, openLog: () => void}} Page what an action needs of the page */

/** @param {Page} page */
export async function cancel({ job, refresh }) {
  const { openCancelDialog } = await import('./cancel_dialog.js');
  openCancelDialog(job, (done) => done && refresh());
}

/** @param {Page} page */
export async function pause({ job, refresh }) {
  const { openPauseDialog } = await import('./pause_dialog.js');
  openPauseDialog(job, (done) => done && refresh());
}

/** @param {Page} page */
export async function resume({ job, refresh }) {
  const { openResumeDialog } = await import('./resume_dialog.js');
  openResumeDialog(job, (done) => done && refresh());
}

/** @param {Page} page @param {string} [wanted] the way that is chosen at first */
export async function retry({ job }, wanted) {
  const { openRetryDialog } = await import('./retry_dialog.js');
  openRetryDialog(job, undefined, wanted);
}

/** @param {Page} page */
export async function clone({ job }) {
  const { cloneJob } = await import('./clone_job.js');
  await cloneJob(job);
}

/** @param {Page} page */
export async function showError({ job, openLog }) {
  const { openErrorDetails } = await import('./job_logs.js');
  openErrorDetails(job, openLog);
}

/** @param {Page} page @param {object} stage */
export async function showStage(page, stage) {
  const { openStageDetails } = await import('./job_logs.js');
  const { job, openLog } = page;
  const continues = stage.state === 'failed' && job.allowed_actions.includes('retry') && canContinue(job);
  openStageDetails(job, stage, { onLog: openLog, onRetry: continues ? () => retry(page, 'continue') : null });
}

/** @param {Page} page */
export async function deleteJob({ job }) {
  const { confirmDialog } = await import('../shared/confirm.js');
  const sure = await confirmDialog({ title: 'Delete this job?', text: 'Its metrics and event log are removed. This cannot be undone.', confirm: 'Delete job' });
  if (!sure) return;
  try {
    await remove(`/jobs/${job.id}`);
    location.assign('/dashboard/training-jobs');
  } catch (error) {
    toast(`The job was not deleted. ${error.message}`, 'danger');
  }
}

/** @param {Page} page */
export async function editMetadata({ job, refresh }) {
  const [{ openMetadataDialog }, catalog] = await Promise.all([import('./metadata_dialog.js'), get('/catalog')]);
  openMetadataDialog(job, catalog.tags, refresh);
}

/** @param {Page} page @param {number} step */
export async function downloadCheckpoint({ job }, step) {
  try {
    const reply = await post(`/jobs/${job.id}/checkpoints/${step}/download`, {});
    for (const file of reply.files) followDownload(file.url, file.name);
  } catch (error) {
    toast(`Download Error. ${error.message}`, 'danger');
  }
}
