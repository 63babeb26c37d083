import { announce, find, icon, html, render } from './view.js';

const SHOWN_SECONDS = 6;

/**
 * A short result at the edge of the screen. Errors stay until dismissed.
 * @param {string} message
 * @param {'success'|'danger'|'warning'|'info'} [tone]
 */
export function toast(message, tone = 'success') {
  const host = find('#toasts');
  if (!host) return;
  const item = document.createElement('div');
  item.className = 'toast';
  item.dataset.tone = tone;
  const names = { success: 'circle-check', danger: 'circle-alert', warning: 'triangle-alert', info: 'info' };
  const dismiss = () => item.remove();
  render(
    html`${icon(names[tone])}<span>${message}</span><button type="button" class="btn ghost sm icon-only" aria-label="Dismiss message"
      @click=${dismiss}>${icon('x', 'sm')}</button>`,
    item,
  );
  host.append(item);
  // A modal dialog makes everything below it inert; the popover layer keeps results readable above it.
  host.hidePopover?.();
  host.showPopover?.();
  announce(message);
  if (tone !== 'danger') setTimeout(dismiss, SHOWN_SECONDS * 1000);
}
