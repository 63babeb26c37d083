import { get } from './api.js';
import { startPolling } from './poll.js';
import { announce, find, render } from './view.js';

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

/** The list is fetched when it is first opened; most visits only show the count. */
async function paintList() {
  const { bellList } = await import('./bell_list.js');
  render(bellList(state, paint), find('#bell-list'));
}

function paint() {
  paintCount();
  if (find('#bell-list')?.matches(':popover-open')) paintList();
}

/** Starts the unread count and its list in the top bar. */
export function startBell() {
  if (!find('#bell')) return;
  find('#bell-list').addEventListener('beforetoggle', (event) => event.newState === 'open' && paintList());
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
