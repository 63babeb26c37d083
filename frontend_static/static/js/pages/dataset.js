import { distribution } from '../components/distribution.js';
import { get, query, remove } from '../shared/api.js';
import { confirmDialog } from '../shared/confirm.js';
import { bytes, count, percent, plural } from '../shared/format.js';
import { startPolling } from '../shared/poll.js';
import { setTitle, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { empty, find, html, icon, keyValues, mount, nothing, notice, pathPart, progress, time } from '../shared/view.js';

const POLL_SECONDS = 2;
const PREVIEW_SIZE = 5;
const WORKING = ['uploading', 'validating'];
const datasetId = pathPart();
const state = { dataset: null, preview: null, previewError: null, offset: 0, error: null };
let poller = null;

async function load(signal) {
  state.dataset = await get(`/datasets/${datasetId}`, { signal });
  state.error = null;
  const { status } = state.dataset;
  if (status === 'ready' && !state.preview) loadPreview();
  paint();
  return { stop: !WORKING.includes(status) };
}

async function loadPreview() {
  try {
    state.preview = await get(`/datasets/${datasetId}/preview${query({ offset: state.offset, limit: PREVIEW_SIZE })}`);
    state.previewError = null;
  } catch (error) {
    state.previewError = error;
  }
  paint();
}

async function deleteDataset() {
  const sure = await confirmDialog({ title: 'Delete this dataset?', text: 'The file is removed from storage. Jobs that used it keep their results.', confirm: 'Delete dataset' });
  if (!sure) return;
  try {
    await remove(`/datasets/${datasetId}`);
    location.assign('/datasets');
  } catch (error) {
    toast(`The dataset was not deleted. ${error.message}`, 'danger');
  }
}

function header(dataset) {
  const tone = { ready: 'ready', rejected: 'rejected' }[dataset.status] ?? 'running';
  return html`<div class="page-head"><div><div class="title"><h1>${dataset.name}</h1><span class="badge" data-tone=${tone} title=${dataset.readiness?.tooltip ?? nothing}>${dataset.readiness?.label ?? dataset.status}</span></div>
    <div class="meta"><span>${icon('file', 'sm')}${dataset.file_name}</span><span>${bytes(dataset.size_bytes)}</span><span>${dataset.created_by.name}</span><span class="mono">${dataset.id}</span></div></div>
    <div class="actions">${dataset.status === 'ready' ? html`<a class="btn primary" href="/training-jobs/new?dataset=${dataset.id}">${icon('play')}Train on this dataset</a>` : nothing}
    <button type="button" class="btn danger" @click=${deleteDataset}>${icon('trash-2')}Delete</button></div></div>`;
}

function working(dataset) {
  if (!WORKING.includes(dataset.status)) return nothing;
  const share = Number(dataset.progress?.share ?? dataset.progress ?? 0) * 100;
  return html`<section class="card" aria-label="Check"><div class="body stack-2"><b>${dataset.status === 'uploading' ? 'Waiting for the upload to finish' : 'Checking every line of the file'}</b>${progress(share, 'Check')}<span class="small muted">This page updates by itself.</span></div></section>`;
}

function stats(dataset) {
  const stat = (label, value, note) => html`<div class="card stat"><dt>${label}</dt><dd>${value} <small>${note}</small></dd></div>`;
  return html`<dl class="stats">${stat('Conversations', count(dataset.conversations), dataset.format ?? '')}${stat('Training pairs', count(dataset.training_pairs), '')}
    ${stat('Tokens', count(dataset.tokens), dataset.token_counter ?? '')}${stat('Quality', dataset.quality ? `${dataset.quality.average}/5` : '–', dataset.quality?.label ?? 'Not scored')}</dl>`;
}

function findings(title, items, total, tone) {
  if (!items?.length) return nothing;
  return html`<section class="card" aria-label=${title}><header><h2 class="row">${icon(tone === 'danger' ? 'circle-x' : 'triangle-alert', tone)}${title}</h2><span class="small muted">${total > items.length ? `first ${items.length} of ${count(total)}` : count(total)}</span></header>
    <ul>${items.map((item) => html`<li class="finding"><span class="muted num">${item.line ? `Line ${count(item.line)}` : 'Whole file'}</span><span class="wrap-any">${item.field ? html`<code>${item.field}</code> ` : nothing}${item.message}</span>${item.hint ? html`<span class="hint">${item.hint}</span>` : nothing}</li>`)}</ul></section>`;
}

function facts(dataset) {
  const scores = Object.entries(dataset.quality?.scores ?? {}).map(([name, score]) => [name[0].toUpperCase() + name.slice(1), `${score}/5${score >= 4 ? ' ✓' : ''}`]);
  const review = dataset.human_review;
  return html`<section class="card" aria-label="About this file"><header><h2>About this file</h2></header><div class="body">${keyValues([
    ...scores, ...(dataset.quality ? [['Scored conversations', count(dataset.quality.scored_conversations)]] : []),
    ...(review ? [['Human review', `${plural(review.reviewed, 'conversation')} (${percent(review.share * 100)}), average ${review.average_score}/5`]] : []),
    ['Uploaded', time(dataset.created_at)], ['Checked', time(dataset.validated_at)], ['Last updated', time(dataset.updated_at)],
    ...(dataset.sha256 ? [['SHA-256', html`<span class="hash">${dataset.sha256}</span>`]] : []),
  ])}</div></section>`;
}

function preview() {
  if (state.previewError) return notice(`The preview could not be loaded. ${state.previewError.message}`, loadPreview);
  if (!state.preview) return nothing;
  const { conversations, pagination } = state.preview;
  const go = (offset) => {
    state.offset = offset;
    loadPreview();
  };
  return html`<section class="card" aria-labelledby="preview-title"><header><h2 id="preview-title">Preview</h2><span class="small muted">What the model learns to say is <span class="success">green</span></span>
    <span class="row nowrap"><button type="button" class="btn sm icon-only" aria-label="Previous conversations" ?disabled=${pagination.offset === 0} @click=${() => go(Math.max(0, pagination.offset - PREVIEW_SIZE))}>${icon('chevron-left', 'sm')}</button>
    <button type="button" class="btn sm icon-only" aria-label="Next conversations" ?disabled=${pagination.offset + PREVIEW_SIZE >= pagination.total} @click=${() => go(pagination.offset + PREVIEW_SIZE)}>${icon('chevron-right', 'sm')}</button></span></header>
    ${conversations.map((conversation) => html`<div class="talk"><span class="small muted num">Line ${count(conversation.line)}</span>${conversation.messages.map((message) => html`<div class="turn ${message.trained ? 'trained' : ''}"><span>${message.role}</span><p>${message.content}</p></div>`)}</div>`)}</section>`;
}

function paint() {
  const { dataset } = state;
  if (!dataset) return;
  setTitle(dataset.name);
  const s = dataset.scaffolding ?? {};
  mount(
    find('#view'),
    html`${header(dataset)}${state.error ? notice(`${state.error.message} Showing the last data.`, () => poller.refresh(), 'warning') : nothing}${working(dataset)}
      ${dataset.status === 'rejected' ? notice(`This file cannot be used for training: ${plural(dataset.error_count, 'problem')} found. Correct the file and upload it again.`) : nothing}
      ${dataset.conversations === null ? nothing : stats(dataset)}${findings('Errors', dataset.errors, dataset.error_count, 'danger')}${findings('Warnings', dataset.warnings, dataset.warning_count, 'warning')}
      ${dataset.scaffolding ? html`<div class="thirds">${distribution('Personas', s.personas)}${distribution('Emotional arcs', s.emotional_arcs)}${distribution('Topics', s.topics)}</div>` : nothing}${facts(dataset)}${preview()}`,
  );
}

if (startShell()) {
  poller = startPolling({
    intervalSeconds: POLL_SECONDS,
    tick: load,
    onState({ error }) {
      if (!error) return;
      state.error = error;
      if (state.dataset) paint();
      else if (error.status === 404) {
        poller.stop();
        mount(find('#view'), html`<div class="card">${empty('Dataset not found or access denied', 'It may have been deleted.', html`<a class="btn" href="/datasets">All datasets</a>`, 'search')}</div>`);
      } else mount(find('#view'), notice(`The dataset could not be loaded. ${error.message}`, () => poller.refresh()));
    },
  });
}
