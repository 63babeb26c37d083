import { live } from 'lit-html/directives/live.js';
import { count, initials, percent, plural } from '../shared/format.js';
import { currentUser } from '../shared/session.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { html, icon, nothing } from '../shared/view.js';

export const SIZES = [25, 50, 100];
const DAY_MS = 86_400_000;
const DEFAULT_RANGE = '30d';
const SEARCHABLE_FROM = 6;
const RANGES = { '7d': ['Last 7 days', 7], '30d': ['Last 30 days', 30], '90d': ['Last 90 days', 90], custom: ['Custom range', 0], all: ['All dates', 0] };
/** What one checkbox of the status filter stands for. */
const STATUS_GROUPS = {
  active: ['Active', ['queued', 'provisioning', 'running', 'recovering', 'pausing', 'cancelling']],
  paused: ['Paused', ['paused']], completed: ['Completed', ['completed']], failed: ['Failed', ['failed']],
  cancelled: ['Cancelled', ['cancelled']], draft: ['Drafts', ['pending_configuration']],
};
const PRESETS = { conservative: 'Conservative', balanced: 'Balanced', aggressive: 'Aggressive', fast: 'Fast', quality: 'Quality', custom: 'Custom' };
const COSTS = { lt_50: '<$50', '50_100': '$50–$100', '100_200': '$100–$200', gt_200: '>$200' };
const TIERS = { spot: 'Spot', on_demand: 'On-Demand' };

const words = (value) => value[0].toUpperCase() + value.slice(1).replaceAll('_', ' ');
const total = (counts) => Object.values(counts ?? {}).reduce((sum, each) => sum + each, 0);

function statusOptions(counts) {
  return Object.entries(STATUS_GROUPS).map(([value, [label, statuses]]) => ({
    value, label, hint: statuses.length > 1 ? statuses.map(words).join(' + ') : null,
    note: counts && count(statuses.reduce((sum, each) => sum + (counts.status[each] ?? 0), 0)),
  }));
}

function presetOptions(counts) {
  return Object.entries(PRESETS).map(([value, label]) => ({ value, label, note: counts && count(counts.preset[value] ?? 0) }));
}

function creatorOptions(counts) {
  const own = currentUser()?.id;
  const people = counts?.created_by ?? [];
  const option = (person) => ({ value: person.id, label: person.name, avatar: initials(person.name), note: plural(person.count, 'job') });
  const me = people.find((person) => person.id === own) ?? { name: currentUser()?.name ?? 'Me', count: 0 };
  return [{ ...option(me), value: 'me', label: 'Me' }, ...people.filter((person) => person.id !== own).map(option)];
}

function costOptions(counts) {
  return Object.entries(COSTS).map(([value, label]) => {
    const found = counts?.cost[value];
    return { value, label, note: counts && (found ? `${plural(found.count, 'job')}, $${count(found.total_usd)}` : '0') };
  });
}

function tierOptions(counts) {
  const all = total(counts?.gpu_tier);
  return Object.entries(TIERS).map(([value, label]) => {
    const amount = counts?.gpu_tier[value] ?? 0;
    return { value, label, hint: `${label} Instances`, note: counts && (all ? `${count(amount)}, ${percent((amount / all) * 100)}` : '0') };
  });
}

/** key: in the filters; parameter: in the address; api: in the query; options: from the counts of the last reply. */
const FACETS = [
  { key: 'status', parameter: 'status', api: 'status', title: 'Status', all: 'All statuses', options: statusOptions },
  { key: 'preset', parameter: 'preset', api: 'preset', title: 'Preset', all: 'All presets', options: presetOptions },
  { key: 'by', parameter: 'createdBy', api: 'created_by', title: 'Created by', all: 'All users', options: creatorOptions },
  { key: 'cost', parameter: 'cost', api: 'cost', title: 'Cost', all: 'All costs', options: costOptions },
  { key: 'gpu', parameter: 'gpu', api: 'gpu_tier', title: 'GPU type', all: 'All GPU types', options: tierOptions },
];

const list = (parameter) => (readParameter(parameter) ?? '').split(',').filter(Boolean);

/** @returns {object} the filters that the address holds */
export function readFilters() {
  const size = Number(readParameter('pageSize'));
  const range = readParameter('dateRange');
  return {
    ...Object.fromEntries(FACETS.map(({ key, parameter }) => [key, list(parameter)])),
    tab: readParameter('tab') ?? 'all',
    range: range in RANGES ? range : DEFAULT_RANGE,
    from: readParameter('from') ?? '',
    to: readParameter('to') ?? '',
    search: readParameter('search') ?? '',
    sortBy: readParameter('sortBy') ?? '',
    sortDir: readParameter('sortDir') ?? 'desc',
    page: Math.max(1, Math.floor(Number(readParameter('page'))) || 1),
    limit: SIZES.includes(size) ? size : SIZES[0],
  };
}

/** Nobody looks for a cancelled job by when it was made. */
function usualSort(f) {
  const status = f.status.join(',');
  return status === 'cancelled' || (f.tab === 'cancelled' && !status) ? 'ended_at' : 'created_at';
}

/** @param {object} f @returns {string} what the list is sorted by: as chosen, else as usual for what it shows */
export function sortOf(f) {
  return f.sortBy || usualSort(f);
}

/** Defaults stay out of the address. @param {object} f */
export function writeFilters(f) {
  const but = (value, usual) => (value === usual ? null : value);
  writeParameters(
    {
      ...Object.fromEntries(FACETS.map(({ key, parameter }) => [parameter, f[key].join(',')])),
      tab: but(f.tab, 'all'), dateRange: but(f.range, DEFAULT_RANGE), from: f.range === 'custom' ? f.from : null, to: f.range === 'custom' ? f.to : null,
      search: f.search, sortBy: but(sortOf(f), usualSort(f)), sortDir: but(f.sortDir, 'desc'), page: but(f.page, 1), pageSize: but(f.limit, SIZES[0]),
    },
    { push: true },
  );
}

/** @returns {object} filters that hide nothing but what is older than 30 days */
export function noFilters() {
  return { ...Object.fromEntries(FACETS.map(({ key }) => [key, []])), tab: 'all', range: DEFAULT_RANGE, from: '', to: '', search: '' };
}

function dates(f) {
  if (f.range === 'custom') return { date_from: f.from, date_to: f.to };
  const days = RANGES[f.range][1];
  return { date_from: days ? new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10) : '' };
}

/** The filters as the API takes them, without the page; empty ones are left out. @param {object} f @returns {Record<string, string>} */
export function asQuery(f) {
  const values = Object.fromEntries(FACETS.map(({ key, api }) => [api, f[key].join(',')]));
  values.status = f.status.flatMap((each) => STATUS_GROUPS[each]?.[1] ?? [each]).join(',');
  const all = { ...values, ...dates(f), tab: f.tab, search: f.search, sort_by: sortOf(f), sort_dir: f.sortDir };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/** @param {object} f @returns {string} "the last 30 days" */
export function rangeSentence(f) {
  if (f.range === 'all') return 'Every job of your organisation';
  if (f.range === 'custom') return `Jobs${f.from ? ` from ${f.from}` : ''}${f.to ? ` to ${f.to}` : ''}`;
  return `Jobs of the ${RANGES[f.range][0].toLowerCase()} and every active one`;
}

function dateChip(f) {
  if (f.range === DEFAULT_RANGE) return [];
  const text = f.range === 'custom' ? `Created: ${f.from || '…'} to ${f.to || '…'}` : RANGES[f.range][0];
  return [{ text, without: { range: DEFAULT_RANGE, from: '', to: '' } }];
}

/**
 * What narrows the list at present, each with the change that takes it away. The search stands in its own field.
 * @param {object} f
 * @param {object|undefined} counts
 */
export function chips(f, counts) {
  const chosen = FACETS.flatMap(({ key, title, options }) => {
    const known = options(counts);
    return f[key].map((value) => {
      const option = known.find((one) => one.value === value);
      return { text: `${title}: ${option?.label ?? words(value)}`, without: { [key]: f[key].filter((other) => other !== value) } };
    });
  });
  return [...chosen, ...dateChip(f)];
}

function section(title, amount, content, isOpen) {
  return html`<details class="facet" ?open=${isOpen}><summary>${icon('chevron-right', 'sm')}${title}${amount ? html`<span class="facet-n num">${amount}</span>` : nothing}</summary>
    <div class="options" role="group" aria-label=${title}>${content}</div></details>`;
}

const box = (type, name, checked, onChange, label, note = '', avatar = null, hint = null) => html`<label class="option" title=${hint ?? nothing}><input type=${type} name=${name} .checked=${live(checked)} @change=${onChange}>
  ${avatar ? html`<span class="avatar" aria-hidden="true">${avatar}</span>` : nothing}<span class="cut">${label}</span>${note ? html`<span class="note num">${note}</span>` : nothing}</label>`;

function facet({ key, title, all, options }, f, counts, view, act) {
  const chosen = f[key];
  const wanted = (view.person ?? '').toLowerCase();
  const known = options(counts);
  const searchable = key === 'by' && known.length > SEARCHABLE_FROM;
  const shown = searchable ? known.filter((one) => one.label.toLowerCase().includes(wanted) || chosen.includes(one.value)) : known;
  const toggle = (value) => act.change({ [key]: chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value], ...(key === 'status' ? { tab: 'all' } : {}) });
  return section(title, chosen.length, html`${searchable ? html`<input class="input sm" type="search" aria-label="Find a person" placeholder="Find a person" .value=${view.person ?? ''} @input=${(event) => act.person(event.target.value)}>` : nothing}
    ${box('checkbox', `${key}-all`, chosen.length === 0, () => act.change({ [key]: [] }), all)}
    ${shown.map((one) => box('checkbox', key, chosen.includes(one.value), () => toggle(one.value), one.label, one.note, one.avatar, one.hint))}`, view.isWide);
}

function dateFacet(f, view, act) {
  const choose = (range) => act.change({ range, ...(range === 'custom' ? {} : { from: '', to: '' }) });
  const day = (name, label) => html`<label class="day"><span>${label}</span><input class="input sm" type="date" max=${name === 'from' && f.to ? f.to : nothing} min=${name === 'to' && f.from ? f.from : nothing} .value=${f[name]} @change=${(event) => act.change({ [name]: event.target.value })}></label>`;
  return section('Created', f.range === DEFAULT_RANGE ? 0 : 1, html`${Object.entries(RANGES).map(([id, [label]]) => box('radio', 'range', f.range === id, () => choose(id), id === 'all' ? 'Show all dates' : label))}
    ${f.range === 'custom' ? html`<div class="days">${day('from', 'From')}${day('to', 'To')}</div>` : nothing}`, view.isWide);
}

/**
 * @param {object} f the filters
 * @param {object|undefined} counts of the last reply
 * @param {{isWide: boolean, person?: string}} view what the panel remembers besides the filters
 * @param {{change: (values: object) => void, person: (text: string) => void}} act
 */
export function filterPanel(f, counts, view, act) {
  const [status, preset, by, cost, gpu] = FACETS.map((one) => facet(one, f, counts, view, act));
  return html`<section class="card facets" id="filter-panel" aria-label="Filters">${status}${preset}<div>${dateFacet(f, view, act)}${gpu}</div>${by}${cost}</section>`;
}

/** @param {ReturnType<typeof chips>} shown @param {(values: object) => void} change @param {() => void} clear */
export function chipRow(shown, change, clear) {
  return html`<div class="row chips" role="group" aria-label="Active filters">${shown.map(({ text, without }) => html`<span class="pill chip">${text}<button type="button" aria-label="Remove filter ${text}" @click=${() => change(without)}>${icon('x', 'sm')}</button></span>`)}
    <button type="button" class="btn ghost sm" @click=${clear}>Clear All Filters</button></div>`;
}
