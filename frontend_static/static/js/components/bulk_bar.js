import { count, plural } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';
import { openMenu } from './menu.js';

export const MOST_SELECTED = 1000;
const MOST_COMPARED = 4;

/** @param {object[]} jobs @param {'cancel'|'delete'} action @returns {object[]} those it makes sense for */
export const fitting = (jobs, action) => jobs.filter((job) => job.allowed_actions.includes(action));

function actions(jobs, act) {
  const [cancel, remove] = [fitting(jobs, 'cancel').length, fitting(jobs, 'delete').length];
  const compared = jobs.length >= 2 && jobs.length <= MOST_COMPARED;
  return [
    { label: `Cancel ${count(cancel)}`, icon: 'octagon-x', tone: 'danger', action: act.cancel, off: cancel ? null : 'None of the selected jobs can be cancelled' },
    { label: `Delete ${count(remove)}`, icon: 'trash-2', tone: 'danger', action: act.remove, off: remove ? null : 'Only drafts and ended jobs can be deleted' },
    { label: 'Compare', icon: 'scale', action: act.compare, off: compared ? null : `Select 2 to ${MOST_COMPARED} jobs to compare them` },
    { label: 'Export CSV', icon: 'download', action: act.save, off: null },
  ];
}

/**
 * What can be done with the selected jobs.
 * @param {object[]} jobs selected
 * @param {{total: number, isPageSelected: boolean, collecting: boolean}} view
 * @param {Record<'cancel'|'remove'|'compare'|'save'|'clear'|'all', () => void>} act
 */
export function bulkBar(jobs, { total, isPageSelected, collecting }, act) {
  if (jobs.length === 0) return nothing;
  const shown = actions(jobs, act);
  const reachable = Math.min(total, MOST_SELECTED);
  const more = isPageSelected && reachable > jobs.length;
  return html`<section class="bulk-bar" aria-label="Selected jobs"><b class="num" role="status">${plural(jobs.length, 'job')} selected</b>
    ${more ? html`<button type="button" class="btn ghost sm" id="select-all" ?disabled=${collecting} @click=${act.all}>${collecting ? 'Selecting…' : `Select ${reachable < total ? `the first ${count(reachable)}` : `all ${count(total)}`}`}</button>` : nothing}
    <span class="row right wide-only">${shown.map((one) => html`<button type="button" class="btn sm ${one.tone ?? ''}" ?disabled=${Boolean(one.off)} title=${one.off ?? nothing} @click=${one.action}>${icon(one.icon, 'sm')}${one.label}</button>`)}</span>
    <button type="button" class="btn sm right narrow-only" aria-haspopup="menu" @click=${(event) => openMenu(event.currentTarget, shown.filter((one) => !one.off))}>Actions${icon('chevron-up', 'sm')}</button>
    <button type="button" class="btn ghost sm" @click=${act.clear}>${icon('x', 'sm')}<span class="wide-only">Clear Selection</span><span class="narrow-only">Clear</span></button></section>`;
}
