import { decisionForm } from '../components/approval_form.js';
import { kindOf, statusBadge, verdict } from '../components/approval_kinds.js';
import { get, post } from '../shared/api.js';
import { currentUser, goToSignIn, hasRole, readSession, rememberUser } from '../shared/session.js';
import { setTitle, startShell, startTheme } from '../shared/shell.js';
import { announce, badge, empty, find, html, icon, keyValues, mount, nothing, notice, pathPart, time } from '../shared/view.js';

const id = pathPart();
const state = { approval: null, token: null, linkProblem: null, error: null, choice: null, reason: '', busy: false, formError: null, reasonError: null, done: false };

/** A mailed link carries its token behind the #, which never reaches a server; it leaves the address at once. */
function takeLink() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.get('token')) return;
  state.token = given.get('token');
  state.choice = ['approve', 'deny'].find((one) => one === given.get('decision')) ?? null;
  history.replaceState(null, '', location.pathname + location.search);
}

const withToken = (path, body) => post(`/approvals/${id}${path}`, { ...body, token: state.token }, { anonymous: true });

/** By the link where there is one, else as whoever is signed in. */
async function read() {
  if (state.token) {
    try {
      return await withToken('/preview', {});
    } catch (error) {
      if (error.isTransient) throw error;
      Object.assign(state, { token: null, linkProblem: error });
      if (!readSession()) return null;
    }
  }
  // Who reads decides what is offered, so that is known first.
  if (!currentUser()) rememberUser(await get('/me'));
  return get(`/approvals/${id}`);
}

async function load() {
  state.error = null;
  try {
    state.approval = await read();
  } catch (error) {
    state.error = error;
  }
  paint();
}

async function decide() {
  const body = { decision: state.choice, reason: state.reason.trim() };
  set({ busy: true, formError: null, reasonError: null });
  try {
    const approval = state.token ? await withToken('/decision', body) : await post(`/approvals/${id}/decision`, body);
    set({ approval, busy: false, done: true });
    announce(approval.status === 'approved' ? 'The request is approved' : 'The request is denied');
    find('#verdict').focus();
  } catch (error) {
    set({ busy: false, formError: error.details?.reason ? null : error.message, reasonError: error.details?.reason?.[0] ?? null });
    // Someone else was faster, it expired, or the job left the queue: the page shows what became of it.
    if (error.status === 409) await load();
  }
}

function set(change) {
  Object.assign(state, change);
  paint();
}

function asked(approval) {
  const kind = kindOf(approval.kind);
  const text = kind.text(approval);
  return html`<section class="card" aria-labelledby="asked-title"><header><h2 id="asked-title">What is asked</h2>${badge(statusBadge(approval.status))}</header><div class="body stack">
    ${keyValues([['For', kind.subject(approval)], ...kind.facts(approval), ['Requested by', html`${approval.requested_by.name} <span class="muted">${approval.requested_by.email}</span>`], ['Requested', time(approval.requested_at)], ...(approval.status === 'pending' ? [['Decide before', time(approval.expires_at)]] : [])])}
    ${text ? html`<div class="stack-2"><h3>Justification</h3><blockquote class="quote wrap-any">${text}</blockquote></div>` : nothing}</div></section>`;
}

function decided(approval) {
  const tone = { approved: 'success', denied: 'danger' }[approval.status] ?? 'info';
  const kind = kindOf(approval.kind);
  return html`<section class="card verdict" aria-labelledby="verdict" data-tone=${tone}><div class="body stack-2"><h2 id="verdict" tabindex="-1" class="row">${icon(tone === 'success' ? 'circle-check' : tone === 'danger' ? 'circle-x' : 'info', 'lg')}<span>${state.done ? 'Thank you. ' : nothing}${verdict(approval)}</span></h2>
    ${['approved', 'denied'].includes(approval.status) && approval.reason ? html`<blockquote class="quote wrap-any">${approval.reason}</blockquote>` : nothing}
    ${approval.status === 'approved' ? html`<p class="small">${approval.outcome ? kind.outcome(approval) : 'It is being carried out.'}</p>` : nothing}
    ${state.done ? html`<p class="small muted">${approval.requested_by.name} is told. You can close this page.</p>` : nothing}</div></section>`;
}

function side(approval) {
  if (approval.status !== 'pending') return decided(approval);
  if (!state.token && !hasRole('manager')) return html`<div class="card">${empty('Waiting for a manager', 'The managers were mailed. You are told in the notifications once it is decided.', nothing, 'hourglass')}</div>`;
  const as = state.token ? 'by the link that was mailed to you' : 'as a signed-in manager';
  return decisionForm({ ...state, error: state.formError }, { set, decide }, { yes: kindOf(approval.kind).yes, as });
}

function signInFirst() {
  const { linkProblem } = state;
  const title = linkProblem?.status === 403 ? 'This link no longer lets you decide' : 'This link is not valid';
  const text = linkProblem?.status === 403 ? linkProblem.message : 'It may be cut off, or belong to another request. Open it again from the mail, or sign in to decide.';
  return html`<div class="card">${empty(title, text, html`<button type="button" class="btn primary" id="sign-in" @click=${goToSignIn}>Sign in</button>`, 'key-round')}</div>`;
}

function problem(error) {
  if (error.status === 404) return html`<div class="card">${empty('There is no such request', 'It may have been removed, or only a manager and whoever asked may read it.', html`<a class="btn" href="/dashboard/training-jobs?tab=queue">Go to the queue</a>`, 'search')}</div>`;
  return notice(`The request could not be read. ${error.message}`, load);
}

function paint() {
  const { approval, error } = state;
  const host = find('#approval');
  if (!approval) {
    mount(host, error ? problem(error) : signInFirst());
    return;
  }
  const kind = kindOf(approval.kind);
  find('#title').textContent = kind.title;
  find('#lead').textContent = approval.status === 'pending' ? `${approval.requested_by.name} asks for a manager’s decision.` : `Asked by ${approval.requested_by.name}.`;
  setTitle(kind.title);
  const lost = state.linkProblem && approval.status === 'pending' ? notice(`${state.linkProblem.status === 401 ? 'The link is not valid.' : state.linkProblem.message} You are signed in, so you decide as yourself.`, undefined, 'info') : nothing;
  mount(host, html`<div class="stack">${lost}${error ? notice(error.message, load, 'warning') : nothing}<div class="halves">${asked(approval)}${side(approval)}</div></div>`);
}

function start() {
  takeLink();
  if (readSession()) startShell();
  else if (state.token) startTheme();
  else {
    goToSignIn();
    return;
  }
  load();
}

start();
