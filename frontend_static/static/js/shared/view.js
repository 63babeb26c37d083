import { html, nothing, render } from 'lit-html';
import { ago, dateTime, utc } from './format.js';

export { html, nothing, render };

const mounted = new WeakSet();

/**
 * Renders into an element, removing the skeleton it was built with on the first call.
 * @param {Element} host
 * @param {unknown} template
 */
export function mount(host, template) {
  if (!mounted.has(host)) {
    host.replaceChildren();
    host.removeAttribute('aria-busy');
    mounted.add(host);
  }
  render(template, host);
}

/** @param {string} selector @param {ParentNode} [root] @returns {HTMLElement} */
export function find(selector, root = document) {
  return root.querySelector(selector);
}

/** @param {string} name of static/icons.json @param {string} [classes] */
export function icon(name, classes = '') {
  return html`<svg class="icon ${classes}" aria-hidden="true"><use href="#i-${name}"></use></svg>`;
}

/**
 * A time in the person's zone with UTC on hover.
 * @param {string|null|undefined} iso
 * @param {(iso: string) => string} [show]
 */
export function time(iso, show = dateTime) {
  if (!iso) return html`<span>–</span>`;
  return html`<time datetime=${iso} title="${utc(iso)} · ${ago(iso)}">${show(iso)}</time>`;
}

/** @param {{label: string, tone: string, pulsing?: boolean}} badge as the API gives it @param {string} [title] */
export function badge(badge, title) {
  return html`<span class="badge" data-tone=${badge.tone} title=${title ?? nothing}
    ><span class="dot ${badge.pulsing ? 'pulse' : ''}" aria-hidden="true"></span>${badge.label}</span>`;
}

/**
 * @param {number} value 0 to 100
 * @param {string} label for screen readers
 * @param {string} [tone]
 * @param {string} [classes]
 */
export function progress(value, label, tone = '', classes = '') {
  const width = Math.max(0, Math.min(100, Number(value) || 0));
  return html`<div class="progress ${classes}" data-tone=${tone} role="progressbar" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(width)}><i .style=${`inline-size:${width}%`}></i></div>`;
}

/** @param {string} title @param {unknown} [text] @param {unknown} [action] @param {string} [name] icon */
export function empty(title, text = nothing, action = nothing, name = 'layers') {
  return html`<div class="empty"><span class="empty-mark">${icon(name)}</span><p class="empty-title">${title}</p>
    ${text === nothing ? nothing : html`<p>${text}</p>`}${action === nothing ? nothing : html`<div class="empty-action">${action}</div>`}</div>`;
}

/**
 * @param {string} message
 * @param {() => void} [retry]
 * @param {string} [tone]
 * @param {string} [label]
 */
export function notice(message, retry, tone = 'danger', label = 'Retry') {
  const name = tone === 'danger' ? 'circle-alert' : tone === 'warning' ? 'triangle-alert' : tone === 'success' ? 'circle-check' : 'info';
  return html`<div class="notice" data-tone=${tone} role=${tone === 'danger' ? 'alert' : 'status'}>${icon(name)}<div class="notice-text">${message}</div>
    ${retry ? html`<button type="button" class="btn sm" @click=${retry}>${icon('refresh-cw', 'sm')}${label}</button>` : nothing}</div>`;
}

/** @param {Array<[string, unknown]>} pairs term and value */
export function keyValues(pairs) {
  return html`<dl class="kv">${pairs.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;
}

let saying = null;

/** Says a sentence to screen readers without moving focus. @param {string} text */
export function announce(text) {
  const region = find('#announce');
  if (!region) return;
  clearTimeout(saying);
  region.textContent = '';
  saying = setTimeout(() => {
    region.textContent = text;
  }, 50);
}

/** The last piece of the path, or the one `back` before it. @param {number} [back] */
export function pathPart(back = 0) {
  return decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1 - back) ?? '');
}
