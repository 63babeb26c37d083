import { get, patch, post } from './api.js';
import { startPolling } from './poll.js';
import { ago, utc } from './format.js';
import { toast } from './toast.js';
import { announce, empty, find, html, icon, nothing, render } from './view.js';

const INTERVAL_SECONDS = 15;
const state = { items: null, unread: 0, error: null };

function paintCount() {
  const button = find('#bell');
  const count = find('#bell-count');
  if (!button || !count) return;
  count.hidden = state.unread === 0;
  count.textContent = state.unread > 99 ? '99+' : String(state.unread);
  button.setAttribute('aria-label', state.unread ? `Notifications, ${state.unread} unread` : 'Notifications');
}

async function markRead(item) {
  if (item.read) return;
  item.read = true;
  state.unread = Math.max(0, state.unread - 1);
  paint();
  try {
    await patch(`/notifications/${item.id}/read`);
  } catch {
    item.read = false;
    state.unread += 1;
    paint();
    toast('Failed to update notification', 'danger');
  }
}

async function markAllRead() {
  const unread = state.items.filter((item) => !item.read);
  const before = state.unread;
  for (const item of unread) item.read = true;
  state.unread = 0;
  paint();
  try {
    await post('/notifications/read-all', {});
    announce('All notifications are marked as read');
  } catch {
    for (const item of unread) item.read = false;
    state.unread = before;
    paint();
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

function paint() {
  paintCount();
  const host = find('#bell-list');
  if (!host) return;
  let list = html`<p class="pad muted">Loading…</p>`;
  if (state.error && !state.items) list = html`<p class="pad muted" role="alert">Failed to fetch notifications</p>`;
  else if (state.items?.length === 0) list = empty('Nothing yet', 'News about your jobs and models appears here.', nothing, 'bell');
  else if (state.items) list = html`<ul class="notes" role="list">${state.items.map((item) => notificationItem(item, markRead))}</ul>`;
  render(
    html`<header><h2>Notifications</h2>${state.unread ? html`<button type="button" class="btn ghost sm" @click=${markAllRead}>${icon('check', 'sm')}Mark all read</button>` : nothing}</header>
      <div class="bell-scroll" tabindex="0" role="region" aria-label="Latest notifications">${list}</div>
      <footer><a class="link" href="/notifications">All notifications</a></footer>`,
    host,
  );
}

/** Starts the unread count and its list in the top bar. */
export function startBell() {
  if (!find('#bell')) return;
  paint();
  startPolling({
    intervalSeconds: INTERVAL_SECONDS,
    async tick(signal) {
      const page = await get('/notifications?limit=10', { signal });
      const known = new Set(state.items?.map((item) => item.id));
      const fresh = page.notifications.filter((item) => !item.read && !known.has(item.id));
      if (state.items && fresh.length) announce(`${fresh[0].title}. ${fresh[0].message}`);
      Object.assign(state, { items: page.notifications, unread: page.unread_count, error: null });
      paint();
    },
    onState({ error }) {
      if (!error) return;
      state.error = error;
      paint();
    },
  });
}
