import { get, request } from '../shared/api.js';
import { clearSession, readSession, rememberUser, safeNextPath, takeFragmentToken, writeSession } from '../shared/session.js';
import { find, mount, notice, nothing } from '../shared/view.js';

const MINIMUM_PASSWORD_LENGTH = 12;
const signIn = find('#sign-in');
const newPassword = find('#new-password-form');
/** What the new password is for: the first sign-in of an account, or a forgotten password. */
let pending = null;

const value = (id) => find(`#${id}`).value;

function goOn() {
  location.replace(safeNextPath(new URLSearchParams(location.search).get('next')));
}

function say(host, message, tone = 'danger') {
  mount(find(host), message ? notice(message, undefined, tone) : nothing);
}

function invalid(input, message, host) {
  input.setAttribute('aria-invalid', 'true');
  input.focus();
  say(host, message);
}

function clearMarks(form) {
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

async function submitting(form, host, action) {
  const button = form.querySelector('[type="submit"]');
  button.disabled = true;
  say(host, null);
  clearMarks(form);
  try {
    await action();
  } catch (error) {
    say(host, error.message);
  } finally {
    button.disabled = false;
  }
}

const callSession = (path, body) => request('POST', `/session${path}`, { body, anonymous: true });

function finish(reply) {
  writeSession(
    { access_token: reply.access_token, refresh_token: reply.refresh_token, user: reply.user },
    find('#keep').checked,
  );
  goOn();
}

function showNewPassword(next) {
  pending = next;
  signIn.hidden = true;
  newPassword.hidden = false;
  const forgotten = next.kind === 'forgotten';
  find('#code-field').hidden = !forgotten;
  find('#new-password-why').textContent = forgotten
    ? `If ${next.email} has an account, a code is on its way there.`
    : 'This account still has its first, temporary password.';
  find(forgotten ? '#code' : '#new-password').focus();
}

signIn.addEventListener('submit', (event) => {
  event.preventDefault();
  const [email, password] = [value('email').trim(), value('password')];
  clearMarks(signIn);
  if (!email.includes('@')) return invalid(find('#email'), 'Enter the e-mail address of your account.', '#message');
  if (!password) return invalid(find('#password'), 'Enter your password.', '#message');
  return submitting(signIn, '#message', async () => {
    const reply = await callSession('', { email, password });
    if (reply.challenge === 'new_password_required') showNewPassword({ kind: 'first', email, session: reply.session });
    else finish(reply);
  });
});

newPassword.addEventListener('submit', (event) => {
  event.preventDefault();
  const host = '#new-password-message';
  const chosen = value('new-password');
  clearMarks(newPassword);
  if (pending.kind === 'forgotten' && !value('code').trim()) return invalid(find('#code'), 'Enter the code you were sent.', host);
  if (chosen.length < MINIMUM_PASSWORD_LENGTH) {
    return invalid(find('#new-password'), `Use at least ${MINIMUM_PASSWORD_LENGTH} characters.`, host);
  }
  if (chosen !== value('repeat-password')) return invalid(find('#repeat-password'), 'The two passwords differ.', host);
  const proof = pending.kind === 'forgotten' ? { code: value('code').trim() } : { session: pending.session };
  return submitting(newPassword, host, async () => {
    const reply = await callSession('/new-password', { email: pending.email, new_password: chosen, ...proof });
    if (reply?.access_token) return finish(reply);
    showSignIn();
    say('#message', 'Your password was changed. Sign in with it now.', 'success');
    return undefined;
  });
});

function showSignIn() {
  newPassword.hidden = true;
  signIn.hidden = false;
  find('#email').focus();
}

find('#back').addEventListener('click', showSignIn);
find('#forgot').addEventListener('click', () => {
  const email = value('email').trim();
  if (!email.includes('@')) {
    invalid(find('#email'), 'Enter your e-mail address above first; the code goes there.', '#message');
    return;
  }
  submitting(signIn, '#message', async () => {
    await callSession('/forgot-password', { email });
    showNewPassword({ kind: 'forgotten', email });
  });
});

async function trySession() {
  const linkToken = takeFragmentToken();
  if (linkToken) {
    clearSession();
    writeSession({ access_token: linkToken }, false);
  }
  if (!readSession()) return;
  try {
    rememberUser(await get('/me'));
    goOn();
  } catch (error) {
    if (error.status === 401) say('#message', linkToken ? 'This sign-in link is no longer valid. Ask for a new one, or sign in below.' : 'Your session has ended. Sign in again.');
    else say('#message', error.message);
  }
}

trySession();
