import { count, percent, plural } from '../shared/format.js';
import { html, nothing, progress } from '../shared/view.js';

/**
 * Shares of values as bars.
 * @param {string} title @param {Array<{value: string, count: number, share: number}>|undefined} entries
 */
export function distribution(title, entries) {
  if (!entries?.length) return nothing;
  return html`<section class="card" aria-label=${title}><header><h2>${title}</h2><span class="small muted">${plural(entries.length, 'value')}</span></header><div class="body dist">
    ${entries.map((entry) => html`<div><span><span class="cut">${entry.value}</span><span class="num muted">${count(entry.count)} · ${percent(entry.share * 100, 1)}</span></span>${progress(entry.share * 100, `${title}: ${entry.value}`, '', 'thin')}</div>`)}</div></section>`;
}
