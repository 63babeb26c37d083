import { post } from '../shared/api.js';
import { toast } from '../shared/toast.js';

/** Makes a draft like the job and opens its form. @param {{id: string}} job */
export async function cloneJob(job) {
  try {
    const draft = await post(`/jobs/${job.id}/clone`, {});
    location.assign(`/training-jobs/${draft.id}/configure`);
  } catch (error) {
    toast(`The job was not cloned. ${[error.message, ...Object.values(error.details ?? {}).flat().filter((one) => typeof one === 'string')].join(' ')}`, 'danger');
  }
}
