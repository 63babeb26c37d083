import { repeat } from 'lit-html/directives/repeat.js';
import { pager } from '../components/pagination.js';
import { starRating } from '../components/stars.js';
import { get, query } from '../shared/api.js';
import { bytes, date, plural, usd } from '../shared/format.js';
import { startShell } from '../shared/shell.js';
import { debounce, readParameter, writeParameters } from '../shared/url_state.js';
import { empty, find, html, icon, mount, notice } from '../shared/view.js';

const LIMIT = 12;
const SORTS = [['created_at', 'Most Recent'], ['quality', 'Highest Quality']];
const state = { page: null, error: null, search: readParameter('search') ?? '', sort: readParameter('sort') ?? 'created_at', number: Number(readParameter('page')) || 1 };

async function load() {
  try {
    state.page = await get(`/models${query({ sort: state.sort, search: state.search, page: state.number, limit: LIMIT })}`);
    state.error = null;
  } catch (error) {
    state.error = error;
  }
  paint();
}

function change(values) {
  Object.assign(state, { number: 1 }, values);
  writeParameters({ search: state.search, sort: state.sort === 'created_at' ? null : state.sort, page: state.number === 1 ? null : state.number });
  load();
}
const searchLater = debounce((search) => change({ search }), 500);

function card(model) {
  const { quality } = model;
  return html`<article class="card model-card"><h2 class="cut" title=${model.name}>${model.name}</h2>
    <div class="row">${starRating(quality.stars)}<span class="badge" data-tone=${quality.known ? (quality.score >= 4 ? 'success' : quality.score >= 3 ? 'medium' : 'danger') : ''}>Quality: ${quality.known ? `${quality.score}/5` : 'unknown'}</span></div>
    <dl class="kv"><div><dt>Dataset</dt><dd class="cut">${model.dataset.name}</dd></div><div><dt>Base model</dt><dd class="cut">${model.base_model.name}</dd></div>
      <div><dt>Created:</dt><dd>${date(model.created_at)}</dd></div><div><dt>Cost:</dt><dd>${usd(model.training.cost_usd)}</dd></div><div><dt>Size</dt><dd>${bytes(model.total_bytes)}</dd></div></dl>
    <a class="btn" href="/models/${model.id}" aria-label="View &amp; Download ${model.name}">${icon('package')}View &amp; Download</a></article>`;
}

function list() {
  if (state.error) return notice(`Failed to fetch models. ${state.error.message}`, load);
  const { models, pagination } = state.page;
  if (models.length === 0) {
    return html`<div class="card">${state.search ? empty(`No models found matching '${state.search}'.`, 'Try different search terms.', undefined, 'search')
      : empty('No models yet', 'Complete a training job to create your first model', html`<a class="btn primary" href="/training-jobs/new">Start Training</a>`, 'box')}</div>`;
  }
  return html`<div class="stack"><p class="small muted">${plural(pagination.total, 'model')} total</p><div class="model-grid">${repeat(models, (model) => model.id, card)}</div>
    ${pagination.total_pages > 1 ? pager(pagination, 'models', (number) => change({ number })) : ''}</div>`;
}

function paint() {
  mount(find('#filters'), html`<div class="filters" role="search"><label class="search">${icon('search', 'sm')}<span class="sr">Search models</span><input type="search" placeholder="Search models" .value=${state.search} @input=${(event) => searchLater(event.target.value.trim())}></label>
    <select class="select sm" aria-label="Sort" @change=${(event) => change({ sort: event.target.value })}>${SORTS.map(([id, label]) => html`<option value=${id} ?selected=${id === state.sort}>${label}</option>`)}</select></div>`);
  if (state.page || state.error) mount(find('#list'), list());
}

if (startShell()) {
  paint();
  load();
}
