import { notificationItem } from '../shared/bell_list.js';
import { get, patch, post, query } from '../shared/api.js';
import { startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { empty, find, html, icon, mount, nothing, notice } from '../shared/view.js';

const LIMIT = 20;
const state = { items: null, unread: 0, cursor: null, onlyUnread: readParameter('unread') === 'true', error: null };

async function load(more = false) {
  try {
    const page = await get(`/notifications${query({ unread: state.onlyUnread ? 'true' : null, limit: LIMIT, cursor: more ? state.cursor : null })}`);
    Object.assign(state, { items: [...(more ? state.items : []), ...page.notifications], unread: page.unread_count, cursor: page.cursor, error: null });
  } catch (error) {
    state.error = error;
  }
  paint();
}

async function markRead(item) {
  if (item.read) return;
  try {
    await patch(`/notifications/${item.id}/read`);
    item.read = true;
    state.unread -= 1;
  } catch {
    toast('Failed to update notification', 'danger');
  }
  paint();
}

async function markAll() {
  try {
    await post('/notifications/read-all', {});
    await load();
  } catch {
    toast('Failed to update notification', 'danger');
  }
}

function show(onlyUnread) {
  state.onlyUnread = onlyUnread;
  writeParameters({ unread: onlyUnread ? 'true' : null });
  load();
}

function body() {
  if (state.error && !state.items) return html`<div class="pad">${notice(`Failed to fetch notifications. ${state.error.message}`, () => load())}</div>`;
  if (state.items.length === 0) return empty(state.onlyUnread ? 'Nothing unread' : 'Nothing yet', 'News about your jobs and models appears here.', nothing, 'bell');
  return html`<ul role="list">${state.items.map((item) => notificationItem(item, markRead))}</ul>${state.cursor ? html`<div class="pad"><button type="button" class="btn block" @click=${() => load(true)}>Show more</button></div>` : nothing}`;
}

function paint() {
  mount(find('#list'), html`<section class="card" aria-label="Notifications"><header><div class="seg" role="group" aria-label="Show"><button type="button" aria-pressed=${!state.onlyUnread} @click=${() => show(false)}>All</button>
    <button type="button" aria-pressed=${state.onlyUnread} @click=${() => show(true)}>Unread ${state.unread}</button></div>${state.unread ? html`<button type="button" class="btn sm right" @click=${markAll}>${icon('check', 'sm')}Mark all read</button>` : nothing}</header>${body()}</section>`);
}

if (startShell()) load();
