import { html, nothing } from '../shared/view.js';

function onKey(event) {
  const tabs = [...event.currentTarget.querySelectorAll('[role="tab"]')];
  const at = tabs.indexOf(document.activeElement);
  const target = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  const next = tabs.at(target % tabs.length);
  next.focus();
  next.click();
}

/**
 * Tabs by the ARIA pattern: arrows move and choose, Tab goes into the panel.
 * @param {Array<{id: string, label: string, count?: number|string|null, isNew?: boolean}>} tabs
 * @param {string} selected id
 * @param {(id: string) => void} onSelect
 * @param {{label: string, panel: string}} names accessible name of the list and id of the panel
 */
export function tabBar(tabs, selected, onSelect, { label, panel }) {
  return html`<div class="tabs" role="tablist" aria-label=${label} @keydown=${onKey}>${tabs.map((tab) => html`<button type="button" role="tab" id="tab-${tab.id}"
    aria-selected=${tab.id === selected} aria-controls=${panel} tabindex=${tab.id === selected ? 0 : -1} @click=${() => onSelect(tab.id)}>${tab.label}${
      tab.count === undefined || tab.count === null ? nothing : html`<span class="tab-count num ${tab.isNew ? 'new' : ''}">${tab.count}</span>`}</button>`)}</div>`;
}
