import { count } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';

/**
 * Pager below a list.
 * @param {{page: number, limit: number, total: number, total_pages: number}} pagination of the API
 * @param {string} noun plural, e.g. "jobs"
 * @param {(page: number) => void} onPage
 * @param {{sizes?: number[], onSize?: (size: number) => void}} [options]
 */
export function pager(pagination, noun, onPage, { sizes, onSize } = {}) {
  const { page, limit, total, total_pages: pages } = pagination;
  if (total === 0) return nothing;
  const first = (page - 1) * limit + 1;
  const last = Math.min(total, page * limit);
  const step = (name, target, disabled) => html`<button type="button" class="btn sm icon-only" aria-label="${name} page" ?disabled=${disabled}
    @click=${() => onPage(target)}>${icon(name === 'Previous' ? 'chevron-left' : 'chevron-right', 'sm')}</button>`;
  return html`<nav class="pager" aria-label="Pages of ${noun}"><span class="num">Showing ${count(first)}–${count(last)} of ${count(total)} ${noun}</span>
    <span class="row right">${sizes && total > sizes[0] ? html`<label class="row small"><span>Rows</span><select class="select sm" @change=${(event) => onSize(Number(event.target.value))}>
      ${sizes.map((size) => html`<option value=${size} ?selected=${size === limit}>${size}</option>`)}</select></label>` : nothing}
    ${pages > 1 ? html`${step('Previous', page - 1, page <= 1)}<span class="num">Page ${count(page)} of ${count(pages)}</span>${step('Next', page + 1, page >= pages)}` : nothing}</span></nav>`;
}
