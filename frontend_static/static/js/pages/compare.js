import { jobCards, outcomeTable, settingsTable } from '../components/compare_table.js';
import { tabBar } from '../components/tabs.js';
import { get, query } from '../shared/api.js';
import { ago } from '../shared/format.js';
import { startPolling } from '../shared/poll.js';
import { setTitle, showLive, startShell } from '../shared/shell.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, mount, nothing, notice } from '../shared/view.js';

const INTERVAL_SECONDS = 10;
const MOST = 4;
const AXES = ['step', 'epoch', 'cost_usd'];
const TABS = [{ id: 'curves', label: 'Curves & settings' }, { id: 'sequence', label: 'Sequence of events' }];

const state = { ids: [], compared: null, single: null, sequences: null, error: null, receivedAt: 0, card: null, picker: null };
let poller = null;

function readAddress() {
  const ids = [...new Set((readParameter('ids') ?? '').split(',').map((id) => id.trim()).filter(Boolean))].slice(0, MOST);
  state.xName = AXES.includes(readParameter('x')) ? readParameter('x') : 'step';
  state.only = readParameter('only') === 'differences';
  state.view = readParameter('view') === 'sequence' ? 'sequence' : 'curves';
  if (ids.join() !== state.ids.join()) Object.assign(state, { ids, compared: null, single: null, sequences: null, error: null, picker: null });
}

function choose(ids, said) {
  writeParameters({ ids: ids.join(',') }, { push: true });
  const known = state.compared?.jobs ?? (state.single ? [state.single] : []);
  readAddress();
  if (state.ids.length === 1) state.single = known.find((job) => job.id === state.ids[0]) ?? null;
  announce(said);
  paint();
  poller.refresh();
}

const add = (job) => choose([...state.ids, job.id], `${job.name} added to the comparison`);
const drop = (id) => choose(state.ids.filter((each) => each !== id), 'Job removed from the comparison');

async function look(signal) {
  const wanted = state.ids.join();
  const isMany = state.ids.length > 1;
  let after = 0;
  if (isMany) {
    const reply = await get(`/jobs/compare${query({ ids: wanted, cursor: state.compared?.cursor })}`, { signal });
    if (wanted !== state.ids.join()) return {};
    if (reply.changed) Object.assign(state, { compared: reply });
    after = reply.poll_after_seconds;
    if (state.view === 'sequence' && (reply.changed || !state.sequences)) await loadSequences(signal);
  } else if (wanted && !state.single) {
    state.single = await get(`/jobs/${wanted}`, { signal });
  }
  if (wanted !== state.ids.join()) return {};
  Object.assign(state, { error: null, receivedAt: Date.now() });
  paint();
  return { stop: after === 0, afterSeconds: after || INTERVAL_SECONDS };
}

async function loadSequences(signal) {
  state.sequences = await get(`/jobs/compare/sequences${query({ ids: state.ids.join() })}`, { signal });
}

async function openPicker() {
  const { openJobPicker } = await import('../components/job_picker.js');
  openJobPicker({ taken: state.ids, tags: offeredTags(), onPick: add });
}

/** Tags that all jobs share first, then the others: the picker filters by them. */
function offeredTags() {
  const jobs = state.compared?.jobs ?? (state.single ? [state.single] : []);
  return [...new Set([...(state.compared?.shared_tags ?? []), ...jobs.flatMap((job) => job.tags)])].slice(0, 8);
}

function selectView(view) {
  writeParameters({ view: view === 'curves' ? null : view }, { push: true });
  readAddress();
  paint();
  if (view === 'sequence' && !state.sequences) poller.refresh();
}

function head() {
  const amount = state.compared?.jobs.length ?? 0;
  const tags = state.compared?.shared_tags ?? [];
  return html`<div class="page-head"><div><h1>Compare jobs</h1><p>${amount ? `${amount} of at most ${MOST} jobs` : 'Two to four jobs side by side: curves, settings, cost and outcome'}${tags.length ? ` · shared tags: ${tags.join(', ')}` : ''}</p></div>
    <div class="actions">${amount && amount < MOST ? html`<button type="button" class="btn" id="add-job" @click=${openPicker}>${icon('plus')}Add a job</button>` : nothing}</div></div>`;
}

function failure() {
  const { error } = state;
  const lost = error.status === 404 ? (error.details?.id ?? state.ids[0]) : null;
  if (lost) {
    return html`<div class="card">${empty('Job not found or access denied', error.message, html`<button type="button" class="btn" @click=${() => drop(lost)}>Go on without it</button>`, 'search')}</div>`;
  }
  return notice(error.message, () => poller.refresh());
}

function startCard() {
  if (state.ids.length === 1 && !state.single) return state.error ? failure() : html`<span class="skeleton h-160"></span>`;
  const { single } = state;
  return html`<div class="stack">${single ? jobCards([single], drop) : nothing}<section class="card" aria-labelledby="pick-title"><header><h2 id="pick-title">${single ? `Compare ${single.name} with` : 'Choose a job to begin with'}</h2></header><div class="body picker-host"></div></section></div>`;
}

async function paintPicker() {
  const host = find('.picker-host');
  if (!host || state.picker) return;
  state.picker = 'loading';
  const { JobPicker } = await import('../components/job_picker.js');
  state.picker = new JobPicker(host, { taken: state.ids, tags: offeredTags(), onPick: add });
}

function warning(jobs) {
  const isOther = state.compared.differences.some((each) => each.field === 'dataset' && each.differs) && jobs.some((job) => job.outcome.best_loss !== null);
  return isOther ? notice('These jobs were trained on different data: their losses are measured on different conversations, so read them with care.', undefined, 'info') : nothing;
}

function stale() {
  return state.error ? notice(html`${state.error.message} <span class="muted">Last updated: ${ago(state.receivedAt)}</span>`, () => poller.refresh(), 'warning') : nothing;
}

async function sequencePart() {
  const { sequenceTable } = await import('../components/compare_sequence.js');
  mount(find('#sequence'), state.sequences ? sequenceTable(state.sequences) : html`<div class="card"><div class="body"><span class="skeleton h-320"></span></div></div>`);
}

async function paintChart(jobs) {
  if (!state.card) {
    state.card = 'loading';
    const { CompareCard } = await import('../components/compare_card.js');
    state.card = new CompareCard(find('#chart-card'), { xName: state.xName, onAxis: (x) => writeParameters({ x: x === 'step' ? null : x }) });
  }
  if (state.card !== 'loading') state.card.update(state.compared?.jobs ?? jobs);
}

function setOnly(only) {
  state.only = only;
  writeParameters({ only: only ? 'differences' : null });
  paint();
}

function paint() {
  mount(find('#head'), head());
  const { compared } = state;
  for (const id of ['#tabs', '#panel']) find(id).hidden = !compared;
  find('#start').hidden = Boolean(compared);
  if (!compared) {
    const isLoading = state.ids.length > 1;
    mount(find('#start'), isLoading ? (state.error ? failure() : html`<div class="stack" aria-busy="true"><span class="skeleton h-80"></span><span class="skeleton h-320"></span></div>`) : startCard());
    paintPicker();
    return;
  }
  state.picker = null;
  setTitle('Compare', `${compared.jobs.map((job) => job.name).join(' and ')} · `);
  mount(find('#jobs'), html`<div class="stack">${stale()}${warning(compared.jobs)}${jobCards(compared.jobs, drop)}</div>`);
  mount(find('#tabs'), tabBar(TABS, state.view, selectView, { label: 'Parts of the comparison', panel: 'panel' }));
  find('#panel').setAttribute('aria-labelledby', `tab-${state.view}`);
  const isSequence = state.view === 'sequence';
  find('#curves').hidden = isSequence;
  find('#sequence').hidden = !isSequence;
  if (isSequence) {
    sequencePart();
    return;
  }
  paintChart(compared.jobs);
  mount(find('#tables'), html`${outcomeTable(compared.jobs)}${settingsTable(compared.jobs, compared.differences, state.only, setOnly)}`);
}

function start() {
  if (!startShell()) return;
  readAddress();
  paint();
  poller = startPolling({
    intervalSeconds: INTERVAL_SECONDS,
    tick: look,
    onState({ busy, error }) {
      const isOver = state.compared?.poll_after_seconds === 0;
      showLive(error ? 'offline' : isOver || state.ids.length < 2 ? 'still' : busy ? 'busy' : 'live');
      if (!error) return;
      state.error = error;
      if (error.status === 404) poller.stop();
      paint();
    },
  });
  addEventListener('popstate', () => {
    readAddress();
    paint();
    poller.refresh();
  });
}

start();
