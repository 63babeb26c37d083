import { kindOf, statusBadge } from '../components/approval_kinds.js';
import { personCell } from '../components/job_row.js';
import { tabBar } from '../components/tabs.js';
import { get, query } from '../shared/api.js';
import { startPolling } from '../shared/poll.js';
import { showLive, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { badge, empty, find, html, icon, mount, nothing, notice, time } from '../shared/view.js';

const INTERVAL_SECONDS = 10;
const LIMIT = 20;
const TABS = [['pending', 'Open'], ['approved', 'Approved'], ['denied', 'Denied'], ['expired', 'Expired'], ['obsolete', 'No longer needed']];
const NOTHING_HERE = { pending: ['Nothing to decide', 'Requests of your team appear here and in your mail.'], approved: ['Nothing approved yet'], denied: ['Nothing denied yet'], expired: ['Nothing expired'], obsolete: ['Nothing here', 'Requests whose job left the queue before a decision.'] };
const known = (status) => (TABS.some(([each]) => each === status) ? status : 'pending');
const state = { status: known(readParameter('status')), rows: null, cursor: null, more: false, open: undefined, error: null };
let poller = null;

/** The first page, again and again; once older ones are shown, only when asked. */
async function load(signal) {
  const { status } = state;
  if (state.more) return;
  const page = await get(`/approvals${query({ status, limit: LIMIT })}`, { signal });
  if (status !== state.status) return;
  Object.assign(state, { rows: page.approvals, cursor: page.cursor, error: null });
  if (status === 'pending') state.open = page.approvals.length;
  else if (state.open === undefined) state.open = (await get('/approvals', { signal })).approvals.length;
  paint();
}

async function older() {
  try {
    const page = await get(`/approvals${query({ status: state.status, limit: LIMIT, cursor: state.cursor })}`);
    Object.assign(state, { rows: [...state.rows, ...page.approvals], cursor: page.cursor, more: true });
  } catch (error) {
    toast(`Older requests could not be read. ${error.message}`, 'danger');
  }
  paint();
}

function show(status, push = true) {
  Object.assign(state, { status, rows: null, cursor: null, more: false, error: null });
  if (push) writeParameters({ status: status === 'pending' ? null : status }, { push: true });
  paint();
  poller.refresh();
}

function row(approval) {
  const kind = kindOf(approval.kind);
  const open = approval.status === 'pending';
  return html`<li class="ask"><span class="ask-mark">${icon(kind.icon)}</span><span class="ask-what"><a class="job-name cut" href=${approval.page}>${kind.name}: ${approval.asked.job_name ?? approval.subject}</a>
      <span class="small muted wrap-any">${kind.short(approval)}</span></span><span class="ask-who">${personCell(approval.requested_by)}</span>
    <span class="ask-when small muted">${open ? html`Decide before ${time(approval.expires_at)}` : html`${time(approval.decided_at ?? approval.requested_at)}${approval.decided_by ? ` by ${approval.decided_by.name}` : ''}`}</span>
    ${open ? html`<a class="btn sm primary" href=${approval.page} aria-label="Review the request for ${approval.asked.job_name ?? approval.subject}">Review</a>` : badge(statusBadge(approval.status))}</li>`;
}

function list() {
  const { rows, error } = state;
  if (!rows && error?.status === 403) return html`<div class="card">${empty('For managers', 'Requests are decided by managers. Your own are linked from the jobs they are about.', html`<a class="btn" href="/dashboard/training-jobs?tab=queue">Go to the queue</a>`, 'users')}</div>`;
  if (!rows && error) return notice(`The requests could not be read. ${error.message}`, () => poller.refresh());
  if (!rows) return html`<div class="card" aria-busy="true"><div class="body stack">${[1, 2, 3].map(() => html`<span class="skeleton h-32"></span>`)}</div></div>`;
  const stale = error ? notice(`${error.message} Showing the last data.`, () => poller.refresh(), 'warning') : nothing;
  if (rows.length === 0) return html`${stale}<div class="card">${empty(NOTHING_HERE[state.status][0], NOTHING_HERE[state.status][1], nothing, 'clipboard-check')}</div>`;
  return html`${stale}<section class="card" aria-label="Requests"><ul role="list">${rows.map(row)}</ul>${state.cursor ? html`<div class="pad"><button type="button" class="btn block" @click=${older}>Show older</button></div>` : nothing}</section>`;
}

function paint() {
  const tab = ([id, label]) => ({ id, label, count: id === 'pending' ? state.open ?? '·' : null });
  mount(find('#tabs'), tabBar(TABS.map(tab), state.status, show, { label: 'Requests by status', panel: 'list' }));
  mount(find('#list'), html`<div class="stack">${list()}</div>`);
}

function start() {
  if (!startShell()) return;
  paint();
  poller = startPolling({
    intervalSeconds: INTERVAL_SECONDS,
    tick: load,
    onState({ busy, error }) {
      showLive(error ? 'offline' : busy ? 'busy' : 'live');
      if (!error) return;
      state.error = error;
      paint();
    },
  });
  addEventListener('popstate', () => show(known(readParameter('status')), false));
}

start();
