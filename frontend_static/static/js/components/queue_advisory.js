import { get } from '../shared/api.js';
import { currentUser } from '../shared/session.js';
import { toast } from '../shared/toast.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { badge, html, icon, nothing, notice, render } from '../shared/view.js';
import { clockOf, moment } from './queue_estimate.js';

/** Own jobs first: they are the ones a person knows to be dispensable. */
function cancellable(queue) {
  const own = (job) => (job.created_by.id === currentUser()?.id ? 0 : 1);
  return [...queue.queued, ...queue.slots].filter((job) => job.may_change && job.status !== 'cancelling').sort((a, b) => own(a) - own(b));
}

function jobLine(job, cancel) {
  const where = job.position ? `#${job.position}` : job.badge.label;
  return html`<li><span class="pill num">${where}</span><span class="cut grow">${job.name}</span><span class="small muted">${job.created_by.id === currentUser()?.id ? 'You' : job.created_by.name}</span>
    <button type="button" class="btn sm danger" aria-label="Cancel ${job.name}" @click=${() => cancel(job)}>Cancel</button></li>`;
}

function jobList(queue, cancel) {
  const jobs = cancellable(queue);
  if (jobs.length === 0) return notice('There is no job that you may cancel. Ask whoever made one, or a manager.', undefined, 'info');
  return html`<ul class="advised" role="list" tabindex="0" aria-label="Jobs that you may cancel">${jobs.map((job) => jobLine(job, cancel))}</ul>`;
}

function template(state, act) {
  const { queue, advisory, clock, lists } = state;
  const strong = advisory?.level === 'warning';
  const text = advisory?.message ?? 'The queue has become short meanwhile.';
  return html`<div class="modal-body"><h2 id="advisory-title">${icon('triangle-alert', 'warning lg')}${strong ? 'Long Queue' : 'Queue Advisory'}</h2>
    ${notice(text, undefined, strong ? 'warning' : 'info')}<p>Expected start if you go on: <b>${moment(queue.next_job.estimated_start_at, clock.nowMs())}</b>. Nothing is billed while the job waits.</p>
    ${lists ? jobList(queue, act.cancel) : nothing}
    <p class="small muted">Schedule for Later keeps everything as a draft, which costs nothing and takes no place in line. Starting it is then up to you: a start at a set time is not offered.</p></div>
    <footer><button type="button" class="btn" id="advised-cancel" aria-expanded=${lists} @click=${act.list}>Cancel a job</button><button type="button" class="btn" id="advised-later" @click=${act.later}>Schedule for Later (save draft)</button>
    <button type="button" class="btn primary" id="advised-go-on" autofocus @click=${act.goOn}>Continue Anyway</button></footer>`;
}

/**
 * Tells whoever is about to start a job of a long wait, and offers what can be done about it; else goes on at once.
 * @param {{goOn: () => void, later: () => void}} on
 */
export async function advise({ goOn, later }) {
  const state = { queue: null, advisory: null, clock: null, lists: false };
  const read = async () => {
    const queue = await get('/queue');
    Object.assign(state, { queue, advisory: queue.next_job.advisory, clock: clockOf(queue, Date.now()) });
  };
  try {
    await read();
  } catch {
    goOn();
    return;
  }
  if (!state.advisory) {
    goOn();
    return;
  }
  const dialog = createDialog('advisory-title', 'wide');
  const paint = () => render(template(state, act), dialog);
  let next = null;
  const leave = (then) => {
    next = then;
    dialog.close();
  };
  const act = {
    goOn: () => leave(goOn),
    later: () => leave(later),
    list() {
      state.lists = !state.lists;
      paint();
    },
    async cancel(job) {
      try {
        const [full, { openCancelDialog }] = await Promise.all([get(`/jobs/${job.id}`), import('./cancel_dialog.js')]);
        await openCancelDialog(full, async (cancelled) => {
          if (!cancelled) return;
          await read().catch(() => {});
          paint();
        });
      } catch (error) {
        toast(`The job was not cancelled. ${error.message}`, 'danger');
      }
    },
  };
  paint();
  openDialog(dialog, () => next?.());
}
