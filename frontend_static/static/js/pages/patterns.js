import { eventRow } from '../components/event_row.js';
import { costCard, kpis, metricsCard } from '../components/job_overview.js';
import { openMenu } from '../components/menu.js';
import { pager } from '../components/pagination.js';
import { stageList } from '../components/stages.js';
import { starRating } from '../components/stars.js';
import { tabBar } from '../components/tabs.js';
import { tagsEditor } from '../components/tags_editor.js';
import { trendText } from '../components/trend.js';
import { confirmDialog } from '../shared/confirm.js';
import { loss } from '../shared/format.js';
import { startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { badge, empty, find, html, icon, keyValues, mount, nothing, notice, progress, time } from '../shared/view.js';

const STATUSES = [['Draft', 'draft'], ['Queued', 'queued'], ['Provisioning', 'provisioning', true], ['Training', 'running', true], ['Recovering', 'warning', true], ['Paused', 'paused'], ['Cancelling', 'cancelling', true], ['Cancelled', 'cancelled'], ['Completed', 'completed'], ['Failed', 'failed']];
const NAMES = ['Preprocessing', 'Model Loading', 'Training', 'Finalization'];
const AT = '2026-11-22T10:40:00Z';
const state = { tab: 'one', tags: ['experiment', 'baseline'], pressed: 'a', page: 3 };

const stage = (label, stageState, share, error = null) => ({ id: label, label, state: stageState, progress: share, message: null, started_at: AT, completed_at: null, duration_seconds: 222, estimate: 'Est. 2-5 min', error });
const stages = (active, failed = false) => NAMES.map((label, index) => {
  if (index < active) return stage(label, 'completed', 1);
  if (index > active) return stage(label, 'pending', 0);
  return failed ? stage(label, 'failed', 0.4, 'Out of Memory') : stage(label, 'active', 0.4);
});
const metric = (value, previous) => ({ value, previous });
const metrics = { at: AT, training_loss: metric(0.342, 0.389), validation_loss: metric(0.358, 0.351), tokens_per_second: metric(1912, 1912), gpu_utilization: metric(41, 93), perplexity: metric(1.43, 1.49) };
const cost = (spent, level, share) => ({ is_final: false, cost: { spent_usd: spent, estimated_low_usd: '4.20', estimated_high_usd: '6.02', projected_usd: '4.95', hourly_rate_usd: '1.99', tier: 'spot', percent_of_estimate: share, spend_cap_usd: '7.50', level, accruing: true, provisional: true, cleanup_pending: level === 'over' } });
const curve = Array.from({ length: 30 }, (_, index) => 2 * Math.exp(-index / 8) + 0.3);

function block(title, content) {
  return html`<section class="card" aria-label=${title}><header><h2>${title}</h2></header><div class="body stack">${content}</div></section>`;
}

function buttons() {
  const variants = ['', 'primary', 'ghost', 'danger', 'solid-danger', 'solid-success'];
  return html`${[nothing, true].map((disabled) => html`<div class="row">${variants.map((variant) => html`<button type="button" class="btn ${variant}" ?disabled=${disabled === true}>${icon('play')}${variant || 'default'}</button>`)}</div>`)}
    <div class="row"><button type="button" class="btn sm">Small</button><button type="button" class="btn lg primary">Large</button><button type="button" class="btn icon-only" aria-label="Refresh">${icon('refresh-cw')}</button><button type="button" class="btn" aria-busy="true">${icon('refresh-cw')}Busy</button>
    <button type="button" class="btn" aria-haspopup="menu" @click=${(event) => openMenu(event.currentTarget, [{ label: 'View Dashboard', icon: 'activity', href: '/dashboard/training-jobs' }, { label: 'Delete', icon: 'trash-2', tone: 'danger', action: () => toast('Deleted', 'info') }])}>${icon('ellipsis-vertical')}Menu</button></div>`;
}

function fields() {
  return html`<div class="halves"><div class="field"><label for="f-text">Text</label><input class="input" id="f-text" value="Elena Morales Financial"><p class="hint">A hint below the field.</p></div>
    <div class="field"><label for="f-bad">With a problem</label><input class="input" id="f-bad" aria-invalid="true" aria-describedby="f-bad-error" value="x"><p class="field-error" id="f-bad-error">${icon('circle-alert', 'sm')}Job name must be between 3 and 100 characters</p></div>
    <div class="field"><label for="f-select">Select</label><select class="select" id="f-select"><option>Spot</option><option>On-Demand</option></select></div><div class="field"><label for="f-off">Disabled</label><input class="input" id="f-off" disabled value="Cannot be changed"></div>
    <div class="field"><label for="f-area">Long text<span class="counter num">0/500</span></label><textarea class="textarea" id="f-area" placeholder="Placeholder"></textarea></div><div class="stack"><label class="search">${icon('search', 'sm')}<span class="sr">Search</span><input type="search" placeholder="Search"></label><label class="check"><input type="checkbox" checked>A confirmation</label><label class="field"><span class="label">Slider</span><input type="range" min="0" max="10" value="4"></label></div></div>
    ${tagsEditor(state.tags, ['production', 'poc'], (tags) => { state.tags = tags; paint(); })}`;
}

function choices() {
  const one = (id, title, disabled) => html`<label class="choice"><input type="radio" name="pattern" value=${id} ?disabled=${disabled} ?checked=${id === 'a'}><span class="tick" aria-hidden="true">${icon('check', 'sm')}</span><span class="choice-title">${title}</span><p>One line that says what it is.</p></label>`;
  return html`<div class="choices three" role="radiogroup" aria-label="Cards">${one('a', 'Chosen', false)}${one('b', 'Not chosen', false)}${one('c', 'Locked', true)}</div>
    <div class="seg" role="group" aria-label="Segments">${['a', 'b', 'c'].map((id) => html`<button type="button" aria-pressed=${state.pressed === id} @click=${() => { state.pressed = id; paint(); }}>Part ${id.toUpperCase()}</button>`)}</div>
    ${tabBar([{ id: 'one', label: 'Overview' }, { id: 'two', label: 'Event Log', count: '5 new', isNew: true }, { id: 'three', label: 'Artifacts', count: 3 }], state.tab, (tab) => { state.tab = tab; paint(); }, { label: 'Example tabs', panel: 'pattern-panel' })}<div id="pattern-panel" role="tabpanel" aria-labelledby="tab-${state.tab}" class="small muted">Panel ${state.tab}</div>`;
}

function feedback() {
  return html`${['info', 'success', 'warning', 'danger'].map((tone) => notice(`A notice that says what happened and what to do (${tone}).`, tone === 'danger' ? () => toast('Tried again', 'info') : undefined, tone))}
    <div class="row">${['success', 'info', 'warning', 'danger'].map((tone) => html`<button type="button" class="btn" @click=${() => toast(`A ${tone} message`, tone)}>Toast: ${tone}</button>`)}
    <button type="button" class="btn" id="open-dialog" @click=${() => confirmDialog({ title: 'Delete this job?', text: 'This cannot be undone.', confirm: 'Delete job' })}>Dialog</button></div>
    <div class="halves"><div class="card">${empty('Nothing here yet', 'What will appear, and how to make it appear.', html`<button type="button" class="btn primary">Do it</button>`)}</div><div class="card"><div class="body stack-2" aria-label="Loading" role="img"><span class="skeleton w-40"></span><span class="skeleton h-20"></span><span class="skeleton h-80"></span></div></div></div>`;
}

function events() {
  const kinds = ['status', 'metrics', 'checkpoint', 'warning', 'error', 'info'];
  return html`<ul class="log">${kinds.map((type, index) => eventRow({ id: `p${index}`, at: AT, type, message: `A ${type} event`, data: { step: 520, path: 'checkpoints/step-000520', verified: true, note: null } }, { search: 'event', repaint: paint }))}</ul>`;
}

function paint() {
  mount(find('#view'), html`${block('Buttons', buttons())}${block('Status badges', html`<div class="row">${STATUSES.map(([label, tone, pulsing]) => badge({ label, tone, pulsing }))}</div><div class="row">${['conservative', 'balanced', 'aggressive', 'low', 'medium', 'high'].map((tone) => html`<span class="badge" data-tone=${tone}>${tone}</span>`)}<span class="pill">experiment</span></div>`)}
    ${block('Form fields', fields())}${block('Choices', choices())}${block('Feedback', feedback())}
    ${block('Progress', html`${['', 'success', 'warning', 'danger'].map((tone, index) => progress(20 + index * 25, `Example ${tone || 'running'}`, tone))}${stageList(stages(2), () => toast('Stage details', 'info'), Date.parse(AT) + 141_000)}${stageList(stages(1, true), () => toast('Stage details', 'info'), Date.parse(AT))}${stageList(stages(4), () => toast('Stage details', 'info'))}`)}
    ${kpis(metrics, { training_loss: curve, validation_loss: curve, tokens_per_second: [], gpu_utilization: [] })}
    <div class="thirds">${costCard(cost('1.23', 'ok', 20))}${costCard(cost('5.50', 'warning', 91), 0, 'Cost near its estimate')}${costCard(cost('6.40', 'over', 106), 0, 'Cost above its estimate')}</div>
    <div class="halves">${metricsCard({ latest_metrics: metrics, is_final: false })}${block('Values', html`${keyValues([['Term', 'Value'], ['Time', time(AT)], ['Trend', trendText(metric(0.342, 0.389), -1, loss)], ['Worse', trendText(metric(0.4, 0.36), -1, loss)], ['Unchanged', trendText(metric(2, 2), 1, loss)]])}<div class="row">${[0, 2.5, 4, 5].map(starRating)}</div>`)}</div>
    <section class="card" aria-label="Events">${events()}</section>
    <section class="card" aria-label="Pager">${pager({ page: state.page, limit: 25, total: 287, total_pages: 12 }, 'jobs', (page) => { state.page = page; paint(); }, { sizes: [25, 50, 100], onSize: () => {} })}</section>`);
}

if (startShell()) paint();
