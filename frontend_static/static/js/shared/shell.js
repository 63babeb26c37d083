import { get } from './api.js';
import { startBell } from './bell.js';
import { goToSignIn, hasRole, readSession, rememberUser } from './session.js';
import { announce, find } from './view.js';

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
}

/**
 * Applies a theme and keeps it in this browser.
 * @param {'light'|'dark'|'system'} theme
 */
export function applyTheme(theme) {
  if (theme === 'system') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('lp.theme');
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem('lp.theme', theme);
  }
  document.dispatchEvent(new CustomEvent('lp:theme'));
}

/** The theme button of the top bar. */
export function startTheme() {
  find('#theme-toggle')?.addEventListener('click', () => {
    const next = currentTheme() === 'dark' ? 'light' : 'dark';
    applyTheme(next);
    announce(`${next === 'dark' ? 'Dark' : 'Light'} theme`);
  });
}

function markCurrentPage() {
  const path = location.pathname;
  for (const link of document.querySelectorAll('.nav a[data-prefix]')) {
    const prefixes = link.dataset.prefix.split(' ');
    if (prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))) link.setAttribute('aria-current', 'page');
  }
}

/** Links to what only some may read are shown to them alone; their place is kept, so that nothing moves. */
function showNavOfRole() {
  for (const link of document.querySelectorAll('a[data-role]')) link.toggleAttribute('data-shown', hasRole(link.dataset.role));
}

async function loadUser() {
  try {
    rememberUser(await get('/me'));
    showNavOfRole();
  } catch {
    // The page works without the profile: times then use the browser's zone. A 401 already led to sign-in.
  }
}

/**
 * What every signed-in page does first.
 * @returns {boolean} false when the person is being sent to sign in and the page must not start
 */
export function startShell() {
  const session = readSession();
  if (!session) {
    goToSignIn();
    return false;
  }
  startTheme();
  markCurrentPage();
  showNavOfRole();
  startBell();
  if (!session.user) loadUser();
  return true;
}

/**
 * Shows in the top bar whether the page is up to date.
 * @param {'live'|'busy'|'offline'|'still'} state
 * @param {string} [text]
 */
export function showLive(state, text) {
  const host = find('#live');
  if (!host) return;
  host.hidden = false;
  host.dataset.state = state;
  const words = { live: 'Live', busy: 'Live', offline: 'Reconnecting…', still: 'Up to date' };
  host.lastElementChild.textContent = text ?? words[state];
}

/** @param {string} text last crumb and the tab's title @param {string} [prefix] put before the title */
export function setTitle(text, prefix = '') {
  const crumb = find('.crumbs [aria-current]');
  if (crumb) {
    crumb.textContent = text;
    crumb.title = text;
  }
  document.title = `${prefix}${text} · LoRA Pipeline`;
}
