import { get, post, put, remove } from '../shared/api.js';
import { confirmDialog } from '../shared/confirm.js';
import { startLimitForm } from '../components/limit_form.js';
import { clearSession, hasRole, readSession, rememberUser } from '../shared/session.js';
import { applyTheme, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { empty, find, html, icon, keyValues, mount, nothing, notice, time } from '../shared/view.js';

const THEMES = [['system', 'System', 'monitor'], ['light', 'Light', 'sun'], ['dark', 'Dark', 'moon']];
const LIFETIMES = [['', 'Never expires'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year']];
const DAY_MS = 86_400_000;
const state = { me: null, tokens: null, errors: {}, created: null, busy: false, failure: null, tokenFailure: null };

function message(error, field) {
  const found = error.details?.[field];
  return found ? [found].flat()[0] : null;
}

async function saveProfile(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  state.errors = {};
  try {
    state.me = await put('/me', { name: form.get('name').trim(), time_zone: form.get('time_zone') });
    rememberUser(state.me);
    toast('Profile saved');
  } catch (error) {
    state.errors = { name: message(error, 'name'), time_zone: message(error, 'time_zone'), form: error.message };
  }
  paintProfile();
}

async function chooseTheme(theme) {
  applyTheme(theme);
  state.me = { ...state.me, preferences: { ...state.me.preferences, theme } };
  paintProfile();
  try {
    state.me = await put('/me', { preferences: { theme } });
    rememberUser(state.me);
  } catch (error) {
    toast(`The theme is set in this browser only. ${error.message}`, 'warning');
  }
}

async function createToken(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const name = form.get('token-name').trim();
  if (!name) {
    toast('Give the token a name, so that you know later what uses it.', 'warning');
    find('#token-name').focus();
    return;
  }
  const days = Number(form.get('lifetime'));
  state.busy = true;
  paintTokens();
  try {
    state.created = await post('/tokens', { name, scopes: ['*'], expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null });
    event.target.reset();
    await loadTokens();
  } catch (error) {
    toast(`The token was not created. ${error.message}`, 'danger');
  }
  state.busy = false;
  paintTokens();
}

async function revoke(token) {
  const sure = await confirmDialog({ title: 'Revoke this token?', text: `Programs that use ${token.name} stop working at once.`, confirm: 'Revoke token' });
  if (!sure) return;
  try {
    await remove(`/tokens/${token.id}`);
    toast('Token revoked');
  } catch (error) {
    toast(`The token was not revoked. ${error.message}`, 'danger');
  }
  await loadTokens();
}

async function copyToken() {
  await navigator.clipboard.writeText(state.created.token);
  toast('Token copied');
}

async function signOut() {
  const refreshToken = readSession()?.refresh_token;
  try {
    if (refreshToken) await post('/session/sign-out', { refresh_token: refreshToken });
  } finally {
    clearSession();
    location.assign('/sign-in');
  }
}

function errorLine(text) {
  return text ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${text}</p>` : nothing;
}

function paintProfile() {
  const { me, errors } = state;
  if (state.failure) {
    mount(find('#profile'), notice(`Your profile could not be loaded. ${state.failure.message}`, load));
    return;
  }
  const zones = Intl.supportedValuesOf('timeZone');
  const known = [...new Set(['UTC', me.time_zone, ...zones])].filter(Boolean);
  mount(find('#profile'), html`<div class="stack"><section class="card" aria-labelledby="profile-title"><header><h2 id="profile-title">Profile</h2><span class="badge">${me.role}</span></header><form class="body stack" novalidate @submit=${saveProfile}>
    ${keyValues([['E-mail', me.email]])}
    <div class="field"><label for="name">Name</label><input class="input" id="name" name="name" maxlength="100" autocomplete="name" .value=${me.name ?? ''} aria-invalid=${errors.name ? 'true' : 'false'}>${errorLine(errors.name)}</div>
    <div class="field"><label for="time-zone">Time zone</label><select class="select" id="time-zone" name="time_zone">${known.map((zone) => html`<option value=${zone} ?selected=${zone === me.time_zone}>${zone}</option>`)}</select>${errorLine(errors.time_zone)}</div>
    ${errors.form && !errors.name && !errors.time_zone ? notice(errors.form) : nothing}<div><button type="submit" class="btn primary">Save profile</button></div></form></section>
    <section class="card" aria-labelledby="theme-title"><header><h2 id="theme-title">Appearance</h2></header><div class="body"><div class="seg" role="group" aria-label="Theme">${THEMES.map(([id, label]) => html`<button type="button" aria-pressed=${id === (me.preferences?.theme ?? 'system')} @click=${() => chooseTheme(id)}>${label}</button>`)}</div></div></section>
    <section class="card" aria-labelledby="session-title"><header><h2 id="session-title">Session</h2></header><div class="body row"><span class="grow small muted">Signs this browser out.</span><button type="button" class="btn" id="sign-out" @click=${signOut}>${icon('log-out')}Sign out</button></div></section></div>`);
}

function createdNotice() {
  if (!state.created) return nothing;
  return html`<div class="notice" data-tone="success" role="status">${icon('key-round')}<div class="notice-text stack-2"><b>Copy the token now. It is not shown again.</b><code class="wrap-any" id="new-token">${state.created.token}</code>
    <span class="row"><button type="button" class="btn sm" @click=${copyToken}>${icon('copy', 'sm')}Copy</button><button type="button" class="btn ghost sm" @click=${() => { state.created = null; paintTokens(); }}>Done</button></span></div></div>`;
}

function paintTokens() {
  const row = (token) => html`<tr><td><b>${token.name}</b><div class="small muted mono">${token.prefix}…</div></td><td class="small">${token.last_used_at ? html`Used ${time(token.last_used_at)}` : 'Never used'}<div class="muted">${token.expires_at ? html`Expires ${time(token.expires_at)}` : 'Never expires'}</div></td>
    <td class="r"><button type="button" class="btn sm danger" aria-label="Revoke ${token.name}" @click=${() => revoke(token)}>Revoke</button></td></tr>`;
  mount(find('#tokens'), html`<section class="card" aria-labelledby="tokens-title"><header><h2 id="tokens-title">API tokens</h2></header><div class="body stack"><p class="small muted">For programs that act in your name. A token can do all that you can.</p>${createdNotice()}
    <form class="row" novalidate @submit=${createToken}><label class="sr" for="token-name">Token name</label><input class="input sm grow" id="token-name" name="token-name" maxlength="100" placeholder="What will use it, e.g. nightly runs" autocomplete="off">
      <select class="select sm" name="lifetime" aria-label="Expires">${LIFETIMES.map(([days, label]) => html`<option value=${days}>${label}</option>`)}</select><button type="submit" class="btn primary" ?disabled=${state.busy}>${icon('plus')}Create token</button></form></div>
    ${state.tokenFailure ? html`<div class="pad">${notice(`Your tokens could not be loaded. ${state.tokenFailure.message}`, loadTokens)}</div>` : !state.tokens ? nothing : state.tokens.length ? html`<table class="table" aria-label="API tokens"><thead class="sr"><tr><th scope="col">Name</th><th scope="col">Use</th><th scope="col">Action</th></tr></thead><tbody>${state.tokens.map(row)}</tbody></table>` : empty('No tokens', 'Create one to call the API from a program.', nothing, 'key-round')}</section>`);
}

async function loadTokens() {
  try {
    state.tokens = (await get('/tokens')).tokens;
    state.tokenFailure = null;
  } catch (error) {
    state.tokenFailure = error;
  }
  paintTokens();
}

async function load() {
  try {
    state.me = await get('/me');
    state.failure = null;
    rememberUser(state.me);
  } catch (error) {
    state.failure = error;
  }
  paintProfile();
}

/** For admins: what holds for everybody. */
function showOrganisation() {
  const host = find('#organisation');
  if (!hasRole('admin') || !host.hidden) return;
  host.hidden = false;
  startLimitForm((form) => mount(host, html`<section class="card" aria-labelledby="organisation-title"><header><h2 id="organisation-title">Organisation</h2><span class="badge">admin</span></header><div class="body">${form}</div></section>`));
}

if (startShell()) {
  load().then(showOrganisation);
  loadTokens();
}
