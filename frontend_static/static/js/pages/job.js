import { bounded, emptySeries, mergePoints } from '../components/series.js';
import { endNotice, jobHeader } from '../components/job_header.js';
import { configurationCard, costCard, foldButton, informationCard, kpis, metricsCard, progressCard } from '../components/job_overview.js';
import { eventRow } from '../components/event_row.js';
import { showPlainIcon, showProgressIcon } from '../components/favicon.js';
import { failedStage, stageList, stageNews } from '../components/stages.js';
import { tabBar } from '../components/tabs.js';
import { get, query } from '../shared/api.js';
import { ago, percent, usd } from '../shared/format.js';
import { later } from '../shared/later.js';
import { startPolling } from '../shared/poll.js';
import { setTitle, showLive, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { readParameter, writeParameters } from '../shared/url_state.js';
import { announce, empty, find, html, icon, mount, nothing, notice, pathPart } from '../shared/view.js';

const INTERVAL_SECONDS = 5;
const RECENT_EVENTS = 6;
const TABS = [['overview', 'Overview'], ['metrics', 'Metrics'], ['event-log', 'Event Log'], ['artifacts', 'Artifacts']];

const jobId = pathPart();
const state = { job: null, cursor: null, series: emptySeries(), recent: [], newEvents: 0, receivedAt: 0, jobAt: 0, error: null, tab: chosenTab(), chart: null, log: null, kept: [], keptOf: null, recovery: null };
const parts = { pauseCard: null, markdown: null, watched: null };
let poller = null;

function chosenTab() {
  const wanted = readParameter('tab');
  return TABS.some(([id]) => id === wanted) ? wanted : 'overview';
}

async function look(signal) {
  const isFirst = state.cursor === null;
  const reply = await get(`/jobs/${jobId}/live${query({ cursor: state.cursor })}`, { signal });
  state.cursor = reply.cursor;
  state.error = null;
  state.receivedAt = Date.now();
  if (reply.changed !== false || isFirst) {
    await fetchParts(reply.job);
    takeIn(reply, isFirst);
  }
  if (state.job.status === 'pending_configuration') location.replace(`/training-jobs/${jobId}/configure`);
  paint();
  return { stop: state.job.is_final && !state.job.cost.cleanup_pending, afterSeconds: reply.poll_after_seconds || INTERVAL_SECONDS };
}

/** What only some jobs show is fetched for those, before they are painted. */
async function fetchParts(job) {
  const wasPaused = job.pause || job.history?.some((moment) => moment.what === 'paused');
  if (wasPaused) parts.pauseCard ??= (await later(import('../components/pause_card.js'))).pauseCard;
}

/** Notes stand far down: they are read as Markdown once somebody comes near them, and are plain text until then. */
function notes(job) {
  return parts.markdown ? parts.markdown(job.notes ?? '') : html`<p class="plain">${job.notes}</p>`;
}

function watchNotes() {
  const place = find('.prose');
  if (!place || parts.markdown || parts.watched === place) return;
  parts.watched = place;
  new IntersectionObserver(async (entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    parts.markdown = (await import('../components/markdown.js')).markdown;
    paint();
  }, { rootMargin: '120px' }).observe(place);
}

function takeIn(reply, isFirst) {
  const before = state.job;
  if (reply.job) Object.assign(state, { job: reply.job, jobAt: state.receivedAt });
  state.series = bounded(mergePoints(reply.reset_points ? emptySeries() : state.series, reply.points));
  const events = reply.events ?? [];
  if (events.length) noteEvents(events, isFirst);
  if (!isFirst && before) announceChange(before, state.job);
  if (state.recovery || state.job.status === 'recovering') noteRecovery();
}

async function noteRecovery() {
  const { RecoveryNote } = await later(import('../components/recovery_note.js'));
  state.recovery ??= new RecoveryNote(find('#recovery'));
  state.recovery.update(state.job);
}

function noteEvents(events, isFirst) {
  const newest = [...events].sort((a, b) => (a.id < b.id ? 1 : -1));
  const known = new Set(state.recent.map((event) => event.id));
  state.recent = [...newest.filter((event) => !known.has(event.id)), ...state.recent].slice(0, RECENT_EVENTS);
  if (state.tab === 'event-log') state.log?.onNewEvents(events);
  else if (!isFirst) state.newEvents += events.length;
}

function announceChange(before, job) {
  if (before.status !== job.status && job.is_final) {
    announce(job.status_sentence);
    if (job.status === 'cancelled') toast(`✓ Training Job Cancelled - Final cost: ${usd(job.cost.spent_usd)}. GPU instance terminated.`);
    if (job.status === 'completed') toast('Training completed. Your model is ready.');
    return;
  }
  const news = stageNews(before.stages, job.stages);
  const active = job.stages.find((stage) => stage.state === 'active');
  if (news) toast(news, 'info');
  if (active && before.stage !== job.stage) announce(`${news ? `${news}. ` : ''}Current stage: ${active.label}, ${percent(active.progress * 100)} complete`);
}

/** An action of `job_actions.js` on the job as it is when it is asked for. @param {string} verb */
const act = (verb) => async (...details) => {
  const actions = await later(import('../components/job_actions.js'));
  await actions[verb]({ job: state.job, refresh: () => poller.refresh(), openLog: () => selectTab('event-log') }, ...details);
};

/** Read when the tab is open and a newer one was stored; without an answer the last one is shown alone. */
async function loadCheckpoints() {
  const step = state.job.checkpoint?.step ?? null;
  if (step === null || step === state.keptOf) return;
  state.keptOf = step;
  try {
    state.kept = (await get(`/jobs/${jobId}/checkpoints`)).checkpoints;
  } catch {
    state.keptOf = null;
  }
}

function selectTab(tab) {
  state.tab = tab;
  if (tab === 'event-log') state.newEvents = 0;
  writeParameters({ tab: tab === 'overview' ? null : tab, filter: null, q: null, view: null, page: null }, { push: true });
  paint();
}

function recentEvents() {
  return html`<section class="card short" aria-labelledby="recent-title"><header><h2 id="recent-title">Recent events</h2><button type="button" class="btn ghost sm" @click=${() => selectTab('event-log')}>Open event log${icon('chevron-right', 'sm')}</button>${foldButton('Recent events')}</header>
    ${state.recent.length ? html`<ul>${state.recent.map((event) => eventRow(event, { short: true, repaint: paint }))}</ul>` : html`<p class="pad muted small">Events appear as the job runs.</p>`}</section>`;
}

function overview() {
  const { job } = state;
  return html`<div class="stack"><div id="progress-slot"></div>${parts.pauseCard?.(job) ?? nothing}${kpis(job.latest_metrics, state.series)}
    <div class="cols"><div class="stack"><section class="card chart-card" id="chart-card" aria-labelledby="chart-title"></section>${recentEvents()}</div>
    <div class="side">${costCard(job, state.jobAt)}${metricsCard(job)}</div></div>
    <div class="halves">${configurationCard(job)}${informationCard(job, notes(job), act('editMetadata'))}</div></div>`;
}

function paintProgress() {
  const slot = find('#progress-slot');
  const { job } = state;
  if (!slot || !job) return;
  const stages = stageList(job.stages, act('showStage'), job.is_final ? Date.parse(job.ended_at) : Date.now());
  mount(slot, progressCard(job, state.jobAt, html`${stages}${failedStage(job, act('showStage'))}`));
}

async function paintChart() {
  if (!state.chart) {
    state.chart = 'loading';
    const { ChartCard } = await import('../components/chart_card.js');
    state.chart = new ChartCard(find('#chart-card'), () => state.job.name);
  }
  if (state.chart !== 'loading') state.chart.update(state.series);
}

/** A skeleton until its first page is there, so that its parts come all at once. */
async function openLog(host) {
  const bone = Object.assign(document.createElement('span'), { className: 'skeleton h-320' });
  host.replaceChildren(bone);
  const { EventLog } = await later(import('../components/event_log.js'));
  // Another tab was chosen, or another paint was faster, while it was fetched.
  if (state.tab !== 'event-log' || state.log) return;
  const place = Object.assign(document.createElement('div'), { className: 'event-log-host' });
  const log = new EventLog(place, state.job);
  state.log = log;
  await log.load();
  if (state.log === log) host.replaceChildren(place);
}

async function paintOther() {
  const host = find('#other');
  const { job } = state;
  if (state.tab === 'event-log') return state.log ? undefined : openLog(host);
  state.log = null;
  if (!host.firstElementChild?.classList.contains('tab-host')) host.replaceChildren(Object.assign(document.createElement('div'), { className: 'tab-host' }));
  if (state.tab === 'metrics') {
    const { paintCurves } = await later(import('../components/metric_curves.js'));
    if (state.tab !== 'metrics') return;
    mount(host.firstElementChild, html`<div class="stack"><section class="card" id="curves-card" aria-labelledby="curves-title"></section>
      <div class="halves">${metricsCard(job, true)}<div class="stack">${costCard(job, state.jobAt)}${configurationCard(job)}</div></div></div>`);
    paintCurves(find('#curves-card'), state.series);
  } else {
    const { artifacts } = await later(import('../components/artifacts.js'));
    await loadCheckpoints();
    if (state.tab === 'artifacts') mount(host.firstElementChild, artifacts(job, state.kept, { onCheckpoint: act('downloadCheckpoint') }));
  }
}

function paintTitle() {
  const { job } = state;
  const moving = !job.is_final && job.progress.total_steps > 0;
  setTitle(job.name, moving ? `${percent(job.progress.percent)} · ` : '');
  if (moving) showProgressIcon(job.progress.percent);
  else showPlainIcon();
}

function staleNotice() {
  if (!state.error) return nothing;
  return notice(html`Unable to fetch latest metrics. Check connection. <span class="muted">Last updated: ${ago(state.receivedAt)}</span>`, () => poller.refresh(), 'warning', 'Retry Refresh');
}

/** The skeleton gives way at once to all that was made of the data, so that nothing one looks at moves. */
function showBody() {
  find('#loading')?.remove();
  find('#job-body').hidden = false;
}

function paint() {
  const { job } = state;
  if (!job) return;
  showBody();
  mount(find('#job-head'), jobHeader(job, { onCancel: act('cancel'), onDelete: act('deleteJob'), onPause: act('pause'), onResume: act('resume'), onRetry: act('retry'), onClone: act('clone') }));
  const notices = [staleNotice(), endNotice(job, { onDetails: act('showError'), onRetry: act('retry') })].filter((one) => one !== nothing);
  find('#job-notices').hidden = notices.length === 0;
  mount(find('#job-notices'), html`<div class="stack-2">${notices}</div>`);
  const tabs = TABS.map(([id, label]) => ({ id, label, count: id === 'event-log' && state.newEvents ? `${state.newEvents} new` : null, isNew: true }));
  mount(find('#job-tabs'), tabBar(tabs, state.tab, selectTab, { label: 'Parts of this job', panel: 'panel' }));
  find('#panel').setAttribute('aria-labelledby', `tab-${state.tab}`);
  find('#overview').hidden = state.tab !== 'overview';
  find('#other').hidden = state.tab === 'overview';
  mount(find('#overview'), overview());
  paintProgress();
  if (state.tab === 'overview') paintChart();
  else paintOther();
  watchNotes();
  paintTitle();
}

function paintFailure(error) {
  showBody();
  if (error.status === 404) {
    poller.stop();
    mount(find('#job-head'), nothing);
    mount(find('#overview'), html`<div class="card">${empty('Job not found or access denied', 'It may have been deleted.', html`<a class="btn" href="/dashboard/training-jobs">All jobs</a>`, 'search')}</div>`);
  } else {
    find('#job-notices').hidden = false;
    mount(find('#job-notices'), notice(`Failed to load training job. ${error.message}`, () => poller.refresh()));
  }
}

function onState({ busy, error }) {
  const button = find('#refresh');
  button.disabled = busy;
  button.setAttribute('aria-busy', String(busy));
  const over = state.job?.is_final;
  showLive(error ? 'offline' : over ? 'still' : busy ? 'busy' : 'live');
  if (!error) return;
  state.error = error;
  if (state.job) paint();
  else paintFailure(error);
}

/** On phones the sections of the page fold away; their buttons show there only. */
function fold(event) {
  const button = event.target.closest('.fold');
  const folded = button?.closest('.card').classList.toggle('folded');
  button?.setAttribute('aria-expanded', String(!folded));
}

function start() {
  if (!startShell()) return;
  poller = startPolling({ intervalSeconds: INTERVAL_SECONDS, tick: look, onState });
  find('#refresh').addEventListener('click', async () => {
    await poller.refresh();
    if (!state.error) toast('Metrics updated');
  });
  setInterval(() => document.hidden || state.job?.is_final || state.tab !== 'overview' || paintProgress(), 1000);
  document.addEventListener('click', fold);
  addEventListener('popstate', () => {
    state.tab = chosenTab();
    paint();
  });
}

start();
