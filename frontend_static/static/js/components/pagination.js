import { count } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';

/**
 * The pages worth a button: the first, the last, the present one and its neighbours; null stands for those left out.
 * @param {number} page @param {number} pages
 * @returns {Array<number|null>}
 */
export function pageNumbers(page, pages) {
  const wanted = [...new Set([1, page - 1, page, page + 1, pages])].filter((number) => number >= 1 && number <= pages).sort((a, b) => a - b);
  return wanted.flatMap((number, index) => {
    const missing = index ? number - wanted[index - 1] - 1 : 0;
    if (missing === 1) return [number - 1, number];
    return missing > 1 ? [null, number] : [number];
  });
}

function numbers(page, pages, onPage) {
  return html`<span class="pager-numbers">${pageNumbers(page, pages).map((number) => number === null ? html`<span aria-hidden="true">…</span>`
    : html`<button type="button" class="btn ghost sm num" aria-label="Page ${number}" aria-current=${number === page ? 'page' : nothing} @click=${() => onPage(number)}>${count(number)}</button>`)}</span>`;
}

/**
 * Pager below a list.
 * @param {{page: number, limit: number, total: number, total_pages: number}} pagination of the API
 * @param {string} noun plural, e.g. "jobs"
 * @param {(page: number) => void} onPage
 * @param {{sizes?: number[], onSize?: (size: number) => void, keys?: boolean}} [options] keys: within it the arrow keys turn the pages, Home
 *   and End go to the first and the last, and a page can be typed
 */
export function pager(pagination, noun, onPage, { sizes, onSize, keys = false } = {}) {
  const { page, limit, total, total_pages: pages } = pagination;
  if (total === 0) return nothing;
  const first = (page - 1) * limit + 1;
  const last = Math.min(total, page * limit);
  const go = (target) => {
    const wanted = Math.min(pages, Math.max(1, Math.floor(target)));
    if (wanted && wanted !== page) onPage(wanted);
  };
  // A disabled button would drop the focus, and with it the arrow keys, on the first and the last page.
  const step = (name, target, mark) => html`<button type="button" class="btn sm icon-only" aria-label="${name} page" title="${name} page" aria-disabled=${target < 1 || target > pages || target === page} @click=${() => go(target)}>${icon(mark, 'sm')}</button>`;
  const onKey = (event) => {
    const target = { ArrowLeft: page - 1, ArrowRight: page + 1, Home: 1, End: pages }[event.key];
    if (!keys || target === undefined || event.target.closest('input, select')) return;
    event.preventDefault();
    go(target);
  };
  const jump = (event) => {
    if (event.key !== 'Enter') return;
    go(Number(event.target.value));
    event.target.value = '';
  };
  return html`<nav class="pager" aria-label="Pages of ${noun}" @keydown=${onKey}><span class="num">Showing ${count(first)}–${count(last)} of ${count(total)} ${noun}</span>
    <span class="row right">${sizes && total > sizes[0] ? html`<label class="row small"><span>Rows</span><select class="select sm" @change=${(event) => onSize(Number(event.target.value))}>
      ${sizes.map((size) => html`<option value=${size} ?selected=${size === limit}>${size}</option>`)}</select></label>` : nothing}
    ${pages > 1 ? html`${keys && pages > 2 ? step('First', 1, 'chevrons-left') : nothing}${step('Previous', page - 1, 'chevron-left')}${numbers(page, pages, onPage)}<span class="num pager-of">Page ${count(page)} of ${count(pages)}</span>${step('Next', page + 1, 'chevron-right')}${keys && pages > 2 ? step('Last', pages, 'chevrons-right') : nothing}
      ${keys && pages > 3 ? html`<label class="row small"><span>Go to page</span><input class="input sm page-jump num" inputmode="numeric" @keydown=${jump}></label>` : nothing}` : nothing}</span></nav>`;
}
