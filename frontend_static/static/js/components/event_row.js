import { ago, clock, dateTimeWithZone, utc } from '../shared/format.js';
import { toast } from '../shared/toast.js';
import { html, icon, nothing } from '../shared/view.js';

export const EVENT_TYPES = {
  status: { label: 'Status', icon: 'info' },
  metrics: { label: 'Metrics', icon: 'activity' },
  checkpoint: { label: 'Checkpoint', icon: 'save' },
  warning: { label: 'Warning', icon: 'triangle-alert' },
  error: { label: 'Error', icon: 'circle-x' },
  info: { label: 'Info', icon: 'flag' },
};
const TOKENS = /("(?:[^"\\]|\\.)*"(?=\s*:))|("(?:[^"\\]|\\.)*")|\b(true|false)\b|\b(null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const CLASSES = ['json-k', 'json-s', 'json-b', 'json-0', 'json-n'];
const opened = new Set();

/** @param {unknown} value @returns {unknown[]} indented JSON with coloured pieces */
export function colouredJson(value) {
  const text = JSON.stringify(value, null, 2) ?? 'null';
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(TOKENS)) {
    pieces.push(text.slice(at, match.index));
    const kind = match.slice(1).findIndex((group) => group !== undefined);
    pieces.push(html`<span class=${CLASSES[kind]}>${match[0]}</span>`);
    at = match.index + match[0].length;
  }
  pieces.push(text.slice(at));
  return pieces;
}

async function copyJson(data) {
  await navigator.clipboard.writeText(JSON.stringify(data, null, 2));
  toast('JSON copied');
}

function marked(text, search) {
  const at = search ? text.toLowerCase().indexOf(search.toLowerCase()) : -1;
  if (at < 0) return text;
  const end = at + search.length;
  return html`${text.slice(0, at)}<mark>${text.slice(at, end)}</mark>${marked(text.slice(end), search)}`;
}

function payload(event) {
  return html`<div class="payload"><pre class="code" tabindex="0" aria-label="Event data">${colouredJson(event.data)}</pre>
    <button type="button" class="btn sm" @click=${() => copyJson(event.data)}>${icon('copy', 'sm')}Copy JSON</button></div>`;
}

/**
 * One event as a row that opens to its payload.
 * @param {object} event
 * @param {{search?: string, fresh?: boolean, short?: boolean, repaint: () => void}} options
 */
export function eventRow(event, { search = '', fresh = false, short = false, repaint }) {
  const type = EVENT_TYPES[event.type] ?? EVENT_TYPES.info;
  const toggle = (change) => {
    opened[change.currentTarget.open ? 'add' : 'delete'](event.id);
    repaint();
  };
  const open = opened.has(event.id);
  return html`<li class="log-row ${fresh ? 'fresh' : ''}"><details .open=${open} @toggle=${toggle}><summary>${icon('chevron-right', 'sm chev')}
    <time datetime=${event.at} title="${ago(event.at)} · ${utc(event.at)}">${short ? clock(event.at) : dateTimeWithZone(event.at)}</time>
    <span><span class="badge" data-tone=${event.type}>${icon(type.icon, 'sm')}${type.label}</span></span>
    <span class="message wrap-any">${marked(event.message, search)}</span></summary>${open ? payload(event) : nothing}</details></li>`;
}
