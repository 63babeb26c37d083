import { returnFocus } from '../shared/dialog.js';
import { html, icon, nothing, render } from '../shared/view.js';

let host = null;

function place(opener, at) {
  const box = at ? new DOMRect(at.x, at.y - 4, host.offsetWidth, 0) : opener.getBoundingClientRect();
  const height = host.offsetHeight;
  const below = box.bottom + 4 + height < innerHeight;
  host.style.insetBlockStart = `${below ? box.bottom + 4 : Math.max(8, box.top - height - 4)}px`;
  host.style.insetInlineStart = `${Math.max(8, Math.min(innerWidth - host.offsetWidth - 8, box.right - host.offsetWidth))}px`;
}

function onKey(event) {
  const items = [...host.querySelectorAll('[role="menuitem"]')];
  const at = items.indexOf(document.activeElement);
  const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  if (!(event.key in moves)) return;
  event.preventDefault();
  items.at(moves[event.key] % items.length)?.focus();
}

/**
 * Opens the one menu of the page under a button, or at a point.
 * @param {HTMLElement} opener gets the focus back
 * @param {Array<{label: string, icon: string, href?: string, action?: () => void, tone?: string}>} items
 * @param {{x: number, y: number}} [at]
 */
export function openMenu(opener, items, at) {
  const before = document.activeElement;
  host?.remove();
  host = document.createElement('div');
  host.className = 'menu';
  host.popover = 'auto';
  host.setAttribute('role', 'menu');
  host.addEventListener('keydown', onKey);
  host.addEventListener('toggle', (event) => {
    if (event.newState === 'closed') returnFocus(event.currentTarget, opener, before);
  });
  document.body.append(host);
  const menu = host;
  const run = (item) => {
    menu.hidePopover();
    item.action();
  };
  render(
    items.map((item) => item.href
      ? html`<a role="menuitem" href=${item.href}>${icon(item.icon)}${item.label}</a>`
      : html`<button type="button" role="menuitem" class=${item.tone ?? nothing} @click=${() => run(item)}>${icon(item.icon)}${item.label}</button>`),
    menu,
  );
  menu.showPopover();
  place(opener, at);
  menu.querySelector('[role="menuitem"]')?.focus();
}
