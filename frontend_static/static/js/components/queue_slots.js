import { percent } from '../shared/format.js';
import { hasRole } from '../shared/session.js';
import { badge, html, icon, nothing, progress } from '../shared/view.js';
import { moment } from './queue_estimate.js';

async function changeLimit(onChange) {
  const { openLimitDialog } = await import('./limit_form.js');
  openLimitDialog(onChange);
}

function busy(slot, clock) {
  const trains = slot.progress.percent > 0;
  return html`<li class="slot" data-id=${slot.id}><span class="slot-top">${icon('activity')}<a class="job-name cut" href=${slot.page}>${slot.name}</a>${badge(slot.badge)}</span>
    <span class="slot-bar">${progress(slot.progress.percent, `Progress of ${slot.name}`, '', 'thin')}<span class="num">${trains ? percent(slot.progress.percent, 1) : '0%'}</span></span>
    <span class="slot-foot"><span>Estimated completion: ${moment(slot.estimated_completion_at, clock.nowMs())}</span><a class="link" href=${slot.page} aria-label="View details of ${slot.name}">View Details</a></span></li>`;
}

const free = () => html`<li class="slot free"><span class="slot-top">${icon('circle-dashed')}Available</span><span class="slot-foot">The next job in line takes it.</span></li>`;

/**
 * @param {object} queue of the API
 * @param {ReturnType<typeof import('./queue_estimate.js').clockOf>} clock
 * @param {() => void} onChange
 */
export function slotsPanel(queue, clock, onChange) {
  const next = queue.free > 0 ? 'Now' : moment(queue.next_slot_at, clock.nowMs());
  return html`<section class="card" aria-labelledby="slots-title"><header><h2 id="slots-title">Active training jobs: <span class="num">${queue.active} of ${queue.limit} ${queue.limit === 1 ? 'slot' : 'slots'}</span></h2>
      <span class="small muted">Next training slot available: <b>${next}</b></span>${hasRole('admin') ? html`<button type="button" class="btn sm" id="change-limit" @click=${() => changeLimit(onChange)}>${icon('sliders-horizontal', 'sm')}Change limit</button>` : nothing}</header>
    <ul class="slots" role="list">${queue.slots.map((slot) => busy(slot, clock))}${Array.from({ length: queue.free }, free)}</ul></section>`;
}
