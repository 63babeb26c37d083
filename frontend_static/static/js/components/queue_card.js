import { utc } from '../shared/format.js';
import { hasRole } from '../shared/session.js';
import { html, icon, nothing } from '../shared/view.js';
import { personCell } from './job_row.js';
import { openMenu } from './menu.js';
import { estimatedStart, moment } from './queue_estimate.js';
import { queueItems } from './queue_menu.js';

const TIERS = { spot: 'Spot', on_demand: 'On-Demand' };
const HELD = { capacity: 'No GPU was available', account: 'The provider’s account could not be used' };

const toneOf = (position) => (position <= 3 ? 'success' : position <= 7 ? 'caution' : 'late');

function place(job) {
  if (job.status === 'provisioning') return html`<span class="q-pos gpu" title="A GPU is being rented">${icon('hourglass', 'lg')}</span>`;
  return html`<span class="q-pos num ${job.position === 1 ? 'next' : ''}" data-tone=${toneOf(job.position)}><span class="sr">Position </span>#${job.position}</span>`;
}

/** Whoever asked, or may decide, can open the request. */
function request(job) {
  const label = html`${icon('hourglass', 'sm')}Promotion requested`;
  if (!hasRole('manager') && !job.may_change) return html`<span class="badge" data-tone="warning">${label}</span>`;
  return html`<a class="badge q-asked" data-tone="warning" href="/approvals/${job.promotion_requested}">${label}</a>`;
}

function marks(job, clock) {
  return html`${job.promoted ? html`<span class="badge" data-tone="checkpoint">${icon('chevrons-up', 'sm')}Promoted</span>` : nothing}
    ${job.promotion_requested ? request(job) : nothing}
    ${job.watching ? html`<span class="badge" data-tone="info">${icon('bell', 'sm')}You will be told</span>` : nothing}
    ${job.held_by ? html`<span class="badge" data-tone="cancelled">${icon('circle-alert', 'sm')}<span>${HELD[job.held_by] ?? 'Passed over for now'}${job.not_before ? html`, next try: ${moment(job.not_before, clock.nowMs())}` : nothing}</span></span>` : nothing}`;
}

function start(job, clock) {
  if (job.status !== 'provisioning') return estimatedStart(job, clock);
  return html`<div class="q-start"><span class="q-when"><b>Waiting for its GPU</b></span><span class="q-left">It has a slot. A GPU usually takes 2-5 minutes.</span></div>`;
}

/**
 * @param {object} job of the queue, or of a slot that has no GPU yet
 * @param {ReturnType<import('./queue_estimate.js').clockOf>} clock
 * @param {() => void} onChange asks for the queue again
 */
export function queueCard(job, clock, onChange) {
  const { configuration: c } = job;
  const open = (event) => openMenu(event.currentTarget, queueItems(job, onChange));
  return html`<li class="card q-card ${job.position === 1 ? 'first' : ''}" data-id=${job.id} data-position=${job.position ?? nothing}>${place(job)}
    <div class="q-job"><a class="job-name cut" href=${job.page}>${job.name}</a><span class="q-id mono" title=${job.queued_at ? `Queued ${utc(job.queued_at)}` : nothing}>${job.id}</span>
      <span class="q-facts"><span>${c.preset_name}</span><span>${c.gpu_name} · ${TIERS[c.gpu_tier] ?? c.gpu_tier}</span>${personCell(job.created_by)}</span><span class="q-marks">${marks(job, clock)}</span></div>
    ${start(job, clock)}
    <button type="button" class="btn ghost sm icon-only q-menu" aria-label="Actions for ${job.name}" aria-haspopup="menu" @click=${open}>${icon('ellipsis-vertical')}</button></li>`;
}
