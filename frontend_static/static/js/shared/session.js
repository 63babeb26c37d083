/**
 * Who is signed in. The session lives in sessionStorage, or in localStorage when the person asked to stay signed in.
 * @typedef {{access_token: string, refresh_token?: string|null, user?: object|null}} Session
 */

const KEY = 'lp.session';

function stores() {
  return [sessionStorage, localStorage];
}

/** @returns {Session|null} the current session */
export function readSession() {
  for (const store of stores()) {
    try {
      const value = JSON.parse(store.getItem(KEY) ?? 'null');
      if (value?.access_token) return value;
    } catch {
      store.removeItem(KEY);
    }
  }
  return null;
}

/**
 * @param {Session} session
 * @param {boolean} [keep] true keeps it after the browser closes; left out, it stays where it was
 */
export function writeSession(session, keep) {
  const durable = keep ?? localStorage.getItem(KEY) !== null;
  const [chosen, other] = durable ? [localStorage, sessionStorage] : [sessionStorage, localStorage];
  other.removeItem(KEY);
  chosen.setItem(KEY, JSON.stringify(session));
}

/** Forget the session everywhere. */
export function clearSession() {
  for (const store of stores()) store.removeItem(KEY);
}

/** @returns {object|null} the signed-in person as last read from the API */
export function currentUser() {
  return readSession()?.user ?? null;
}

const ROLES = ['member', 'manager', 'admin', 'owner'];

/** @param {'manager'|'admin'|'owner'} role @returns {boolean} whether the signed-in person has it, or one above; the API checks again */
export function hasRole(role) {
  return ROLES.indexOf(currentUser()?.role) >= ROLES.indexOf(role);
}

/** @param {object} user the person as `GET /api/me` gives it */
export function rememberUser(user) {
  const session = readSession();
  if (session) writeSession({ ...session, user });
}

/**
 * A sign-in link carries its token in the fragment, which never reaches a server or its logs.
 * The fragment is removed from the address at once.
 * @returns {string|null} the token
 */
export function takeFragmentToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('access_token');
  if (!token) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return token;
}

/**
 * Only paths of this site are followed, so a crafted link cannot send a person elsewhere after signing in.
 * @param {string|null} wanted
 * @returns {string} a path of this site
 */
export function safeNextPath(wanted) {
  const home = '/dashboard/training-jobs';
  if (!wanted || !/^\/(?![/\\])/.test(wanted) || wanted.startsWith('/sign-in')) return home;
  return wanted;
}

/** Leave for the sign-in page, remembering the page wanted. */
export function goToSignIn() {
  if (location.pathname === '/sign-in') return;
  const wanted = location.pathname + location.search;
  location.replace(`/sign-in?next=${encodeURIComponent(wanted)}`);
}
