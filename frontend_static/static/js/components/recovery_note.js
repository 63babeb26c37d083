import { count } from '../shared/format.js';
import { announce, html, nothing, progress, render } from '../shared/view.js';

const SHOWN_MS = 20_000;
const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** How far a recovery is, by what is known of the next pod. @param {object[]} attempts @returns {{percent: number, text: string}} */
export function recoveryStep(attempts) {
  const newest = attempts.at(-1);
  if (!newest || newest.ended_at) return { percent: 15, text: 'The lost GPU is being cleared away' };
  if (newest.status === 'requested') return { percent: 45, text: 'Another GPU is being rented' };
  return { percent: 75, text: 'The new GPU is starting' };
}

function template(job, resumed) {
  const newest = job.attempts.at(-1);
  if (resumed) {
    const from = newest?.resumed_from_step ?? null;
    return html`<div class="card recovery" data-tone="success" role="status"><b>${from === null ? '✓ Training again, from the beginning' : `✓ Resumed from step ${count(from)}`}</b></div>`;
  }
  const { percent, text } = recoveryStep(job.attempts);
  return html`<div class="card recovery" data-tone="danger" role="status"><span class="interrupted"><b>⚠ Interrupted</b></span>
    <span class="grow">${job.checkpoint ? 'Recovering from checkpoint...' : 'Recovering...'} <span class="muted">${text}</span>${progress(percent, 'Recovery', '', 'thin')}</span></div>`;
}

/** A lost GPU on the job's page: a flash, how far the recovery is, and where it went on. */
export class RecoveryNote {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.wasRecovering = false;
  }

  /** @param {object} job as it is now */
  update(job) {
    const isRecovering = job.status === 'recovering';
    if (isRecovering) render(template(job, false), this.host);
    else if (this.wasRecovering) this.#end(job);
    if (isRecovering && !this.wasRecovering) this.#begin();
    this.wasRecovering = isRecovering;
  }

  #begin() {
    announce('Interrupted. Recovering from checkpoint...');
    if (!isStill()) this.host.firstElementChild.animate({ backgroundColor: ['var(--danger-fill)', 'var(--danger-bg)', 'var(--surface)'] }, { duration: 1600, easing: 'ease-out' });
  }

  #end(job) {
    if (job.status !== 'running') {
      render(nothing, this.host);
      return;
    }
    render(template(job, true), this.host);
    setTimeout(() => this.wasRecovering || render(nothing, this.host), SHOWN_MS);
  }
}
