import { currentUser } from './session.js';

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
export const NOTHING = '–';

const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

const isMissing = (value) => value === null || value === undefined || value === '';

/** @param {number|null|undefined} value @returns {string} 1,567 */
export function count(value) {
  return isMissing(value) ? NOTHING : wholeNumber.format(value);
}

/** @param {number} value @param {string} one @param {string} [many] @returns {string} "1 job", "2 jobs" */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/**
 * @param {string|number|null|undefined} amount US dollars; strings keep their exact cents
 * @returns {string} $1,234.50; four decimals below one cent so that tiny costs do not read as free
 */
export function usd(amount) {
  if (isMissing(amount)) return NOTHING;
  const value = Number(amount);
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 4 : 2;
  const text = Math.abs(value).toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 ? '−' : ''}$${text}`;
}

/** @param {{low: any, high: any}|null} range @returns {string} $4.20 – $6.02 */
export function usdRange(range) {
  return range ? `${usd(range.low)} – ${usd(range.high)}` : NOTHING;
}

/** @param {number|null|undefined} seconds @returns {string} 45s, 2m 15s, 1h 23m or 1d 5h */
export function duration(seconds) {
  if (isMissing(seconds)) return NOTHING;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole}s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)}m ${whole % MINUTE}s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)}h ${Math.floor((whole % HOUR) / MINUTE)}m`;
  return `${Math.floor(whole / DAY)}d ${Math.floor((whole % DAY) / HOUR)}h`;
}

const SPOKEN_UNITS = { d: 'day', h: 'hour', m: 'minute', s: 'second' };

/** @param {number|null|undefined} seconds @returns {string} "3 minutes 42 seconds", for screen readers */
export function spokenDuration(seconds) {
  return duration(seconds).replace(/(\d+)([dhms])/g, (_, amount, unit) =>
    `${amount} ${SPOKEN_UNITS[unit]}${amount === '1' ? '' : 's'}`);
}

/** @param {{low: number, high: number}|null} range hours @returns {string} "2.1 – 3.0 h" or "4 – 6 min" */
export function hoursRange(range) {
  if (!range) return NOTHING;
  if (range.high < 1) {
    const [low, high] = [range.low, range.high].map((hours) => Math.max(1, Math.round(hours * 60)));
    return low === high ? `${high} min` : `${low} – ${high} min`;
  }
  return `${range.low.toFixed(1)} – ${range.high.toFixed(1)} h`;
}

/** @param {number|null|undefined} size @returns {string} 1.8 MB */
export function bytes(size) {
  if (isMissing(size)) return NOTHING;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** @param {number|null|undefined} value 0 to 100 @param {number} [digits] @returns {string} 55.2% */
export function percent(value, digits = 0) {
  return isMissing(value) ? NOTHING : `${Number(value).toFixed(digits)}%`;
}

/** @param {number|null|undefined} value @returns {string} four decimals, as losses are compared */
export function loss(value) {
  return isMissing(value) ? NOTHING : Number(value).toFixed(4);
}

/** @param {number|null|undefined} value @returns {string} 0.000182, or 1.5e-7 where decimals would hide it */
export function learningRate(value) {
  if (isMissing(value)) return NOTHING;
  if (value === 0) return '0';
  return Math.abs(value) < 1e-5 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

function timeZone() {
  const wanted = currentUser()?.time_zone;
  try {
    return wanted ? new Intl.DateTimeFormat('en', { timeZone: wanted }).resolvedOptions().timeZone : undefined;
  } catch {
    return undefined; // an unknown zone name falls back to the browser's own
  }
}

function parts(iso, options) {
  const formatter = new Intl.DateTimeFormat('en-CA', { hourCycle: 'h23', timeZone: timeZone(), ...options });
  return Object.fromEntries(formatter.formatToParts(new Date(iso)).map((part) => [part.type, part.value]));
}

const DATE = { year: 'numeric', month: '2-digit', day: '2-digit' };
const CLOCK = { hour: '2-digit', minute: '2-digit' };

/** @param {string|null|undefined} iso @returns {string} 2026-11-22 */
export function date(iso) {
  if (isMissing(iso)) return NOTHING;
  const p = parts(iso, DATE);
  return `${p.year}-${p.month}-${p.day}`;
}

/** @param {string|null|undefined} iso @returns {string} 2026-11-22 10:05 in the person's zone */
export function dateTime(iso) {
  if (isMissing(iso)) return NOTHING;
  const p = parts(iso, { ...DATE, ...CLOCK });
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}`;
}

/** @param {string|null|undefined} iso @returns {string} 2026-11-22 10:05:09 (UTC+1) */
export function dateTimeWithZone(iso) {
  if (isMissing(iso)) return NOTHING;
  const p = parts(iso, { ...DATE, ...CLOCK, second: '2-digit', timeZoneName: 'shortOffset' });
  const zone = p.timeZoneName.replace('GMT', 'UTC');
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second} (${zone})`;
}

/** @param {string|null|undefined} iso @returns {string} 10:05:09 */
export function clock(iso) {
  if (isMissing(iso)) return NOTHING;
  const p = parts(iso, { ...CLOCK, second: '2-digit' });
  return `${p.hour}:${p.minute}:${p.second}`;
}

/** @param {string|null|undefined} iso @returns {string} the UTC form shown on hover */
export function utc(iso) {
  return isMissing(iso) ? '' : `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** @param {string|number|null|undefined} when @param {number} [nowMs] @returns {string} "2 minutes ago" */
export function ago(when, nowMs = Date.now()) {
  if (isMissing(when)) return NOTHING;
  const seconds = (new Date(when).getTime() - nowMs) / 1000;
  const size = Math.abs(seconds);
  if (size < 5) return 'just now';
  if (size < MINUTE) return relative.format(Math.round(seconds), 'second');
  if (size < HOUR) return relative.format(Math.round(seconds / MINUTE), 'minute');
  if (size < DAY) return relative.format(Math.round(seconds / HOUR), 'hour');
  return relative.format(Math.round(seconds / DAY), 'day');
}

const dayNumber = (when) => {
  const p = parts(when, DATE);
  return Date.UTC(p.year, p.month - 1, p.day) / (DAY * 1000);
};

/**
 * @param {string|null|undefined} iso @param {number} [nowMs]
 * @returns {string} "Today at 6:45 PM", "Tomorrow at 9:30 AM", else "Wednesday, Dec 18 at 2:15 PM", by the days of the person's zone
 */
export function upcoming(iso, nowMs = Date.now()) {
  if (isMissing(iso)) return NOTHING;
  const say = (options) => new Intl.DateTimeFormat('en-US', { timeZone: timeZone(), ...options }).format(new Date(iso)).replaceAll('\u202f', ' ');
  const day = ['Today', 'Tomorrow'][dayNumber(iso) - dayNumber(nowMs)] ?? say({ weekday: 'long', month: 'short', day: 'numeric' });
  return `${day} at ${say({ hour: 'numeric', minute: '2-digit' })}`;
}

/** @param {number} seconds @returns {string} "3 hours 20 minutes", "1 day 2 hours", "less than a minute" */
export function aboutDuration(seconds) {
  const minutes = Math.round(seconds / MINUTE);
  if (minutes < 1) return 'less than a minute';
  const units = [[DAY / MINUTE, 'day'], [HOUR / MINUTE, 'hour'], [1, 'minute']];
  const first = units.findIndex(([size]) => minutes >= size);
  const [[size, word], next] = [units[first], units[first + 1]];
  const rest = next ? Math.floor((minutes % size) / next[0]) : 0;
  return `${plural(Math.floor(minutes / size), word)}${rest ? ` ${plural(rest, next[1])}` : ''}`;
}

/** @param {number} seconds @returns {string} "in ~3 hours 20 minutes" */
export function countdown(seconds) {
  return seconds < MINUTE / 2 ? 'in less than a minute' : `in ~${aboutDuration(seconds)}`;
}

/** @param {string} name @returns {string} up to two initials */
export function initials(name) {
  const words = (name ?? '').trim().split(/\s+/).filter(Boolean);
  return words.length ? (words[0][0] + (words.length > 1 ? words.at(-1)[0] : '')).toUpperCase() : '?';
}

/** @param {string} text @returns {string} a piece of a file name */
export function fileSafe(text) {
  return text.trim().replace(/[^\p{L}\p{N}._]+/gu, '-').replace(/^-+|-+$/g, '') || 'job';
}
