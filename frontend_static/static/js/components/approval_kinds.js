import { count, percent, usd } from '../shared/format.js';
import { html, time } from '../shared/view.js';

/** What is known of a kind; any other is shown by the words and values of its own request. */
const KINDS = {
  promotion: {
    title: 'Priority Queue Request',
    name: 'Move to the front of the queue',
    icon: 'chevrons-up',
    subject: (approval) => html`<a class="link" href="/training-jobs/${approval.subject}">${approval.asked.job_name}</a>`,
    facts: ({ asked }) => [
      ['Reason', asked.reason_label],
      ['Queue position', html`<b class="num">#${asked.old_position} → #${asked.new_position}</b>`],
      ['Impact', asked.impact],
    ],
    text: ({ asked }) => asked.justification,
    outcome: ({ outcome }) => `The job moved from #${outcome.old_position} to #${outcome.new_position} of the queue.`,
    yes: 'The job moves to the front of the queue at once.',
    short: ({ asked }) => `#${asked.old_position} → #${asked.new_position} · ${asked.reason_label}`,
  },
};
const LONG_TEXTS = ['justification', 'reason', 'notes', 'message'];
const sentence = (word) => {
  const text = word.replaceAll('_', ' ').trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** A value by the unit in its name, as the API names them. @param {string} name @param {unknown} value */
function shown(name, value) {
  if (name.endsWith('_usd')) return usd(value);
  if (name.endsWith('_percent')) return percent(value);
  if (name.endsWith('_at')) return time(value);
  if (typeof value === 'boolean') return value ? 'Yes' : 'No';
  if (typeof value === 'number') return Number.isInteger(value) ? count(value) : String(value);
  return String(value);
}

const isPlain = ([, value]) => ['string', 'number', 'boolean'].includes(typeof value) && value !== '';
const label = (name) => sentence(name.replace(/_(usd|at|percent)$/, ''));

function generic(kind) {
  const own = (approval) => Object.entries(approval.asked).filter(isPlain);
  return {
    title: `${sentence(kind)} request`,
    name: sentence(kind),
    icon: 'clipboard-check',
    subject: (approval) => html`<span class="wrap-any">${approval.asked.job_name ?? approval.subject}</span>`,
    facts: (approval) => own(approval).filter(([name]) => !LONG_TEXTS.includes(name)).map(([name, value]) => [label(name), shown(name, value)]),
    text: (approval) => LONG_TEXTS.map((name) => approval.asked[name]).find(Boolean) ?? '',
    outcome: ({ outcome }) => Object.entries(outcome).filter(isPlain).map(([name, value]) => `${label(name)}: ${['string', 'number'].includes(typeof value) ? value : value ? 'yes' : 'no'}`).join(' · '),
    yes: 'What is asked is carried out at once.',
    short: (approval) => approval.asked.impact ?? '',
  };
}

/** @param {string} kind of an approval @returns {typeof KINDS.promotion} */
export const kindOf = (kind) => KINDS[kind] ?? generic(kind);

const STATUSES = {
  pending: ['Open', 'warning'], approved: ['Approved', 'success'], denied: ['Denied', 'failed'], expired: ['Expired', ''], obsolete: ['No longer needed', ''],
};

/** @param {string} status @returns {{label: string, tone: string, pulsing: boolean}} */
export function statusBadge(status) {
  const [words, tone] = STATUSES[status] ?? [sentence(status), ''];
  return { label: words, tone, pulsing: false };
}

/** What became of a request that is not open. @param {object} approval */
export function verdict(approval) {
  const who = approval.decided_by ? html` by <b>${approval.decided_by.name}</b>${approval.by_link ? ' with the mailed link' : ''}` : '';
  const when = approval.decided_at ? html` · ${time(approval.decided_at)}` : '';
  if (approval.status === 'approved') return html`Approved${who}${when}.`;
  if (approval.status === 'denied') return html`Denied${who}${when}.`;
  if (approval.status === 'expired') return html`This request expired ${time(approval.expires_at)} without a decision. It can be made again.`;
  return html`This request is no longer needed. ${approval.reason ?? ''}`;
}
