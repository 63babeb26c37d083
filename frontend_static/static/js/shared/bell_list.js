import { patch, post } from './api.js';
import { ago, utc } from './format.js';
import { toast } from './toast.js';
import { announce, empty, html, icon, nothing } from './view.js';

async function markRead(item, state, repaint) {
  if (item.read) return;
  item.read = true;
  state.unread = Math.max(0, state.unread - 1);
  repaint();
  try {
    await patch(`/notifications/${item.id}/read`);
  } catch {
    item.read = false;
    state.unread += 1;
    repaint();
    toast('Failed to update notification', 'danger');
  }
}

async function markAllRead(state, repaint) {
  const unread = state.items.filter((item) => !item.read);
  const before = state.unread;
  for (const item of unread) item.read = true;
  state.unread = 0;
  repaint();
  try {
    await post('/notifications/read-all', {});
    announce('All notifications are marked as read');
  } catch {
    for (const item of unread) item.read = false;
    state.unread = before;
    repaint();
    toast('Failed to update notification', 'danger');
  }
}

/**
 * One notification as a link that marks itself read.
 * @param {object} item
 * @param {(item: object) => void} onRead
 */
export function notificationItem(item, onRead) {
  return html`<li class="note ${item.read ? '' : 'unread'}"><a href=${item.link ?? '/notifications'} @click=${() => onRead(item)}>
    <span class="note-dot" data-priority=${item.priority}></span><span class="note-body"><b>${item.title}</b>
    <span>${item.message}</span><time datetime=${item.at} title=${utc(item.at)}>${ago(item.at)}</time></span>${item.read ? nothing : html`<span class="sr">Unread</span>`}</a></li>`;
}

/**
 * The newest notifications, below the bell.
 * @param {{items: object[]|null, unread: number, error: Error|null}} state what the bell knows
 * @param {() => void} repaint
 */
export function bellList(state, repaint) {
  let list = html`<p class="pad muted">Loading…</p>`;
  if (state.error && !state.items) list = html`<p class="pad muted" role="alert">Failed to fetch notifications</p>`;
  else if (state.items?.length === 0) list = empty('Nothing yet', 'News about your jobs and models appears here.', nothing, 'bell');
  else if (state.items) list = html`<ul class="notes" role="list">${state.items.map((item) => notificationItem(item, () => markRead(item, state, repaint)))}</ul>`;
  return html`<header><h2>Notifications</h2>${state.unread ? html`<button type="button" class="btn ghost sm" @click=${() => markAllRead(state, repaint)}>${icon('check', 'sm')}Mark all read</button>` : nothing}</header>
    <div class="bell-scroll" tabindex="0" role="region" aria-label="Latest notifications">${list}</div>
    <footer><a class="link" href="/notifications">All notifications</a></footer>`;
}
