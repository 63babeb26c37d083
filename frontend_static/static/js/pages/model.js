import { followDownload } from '../components/save.js';
import { starRating } from '../components/stars.js';
import { get, post } from '../shared/api.js';
import { bytes, count, date, duration, learningRate, loss, plural, usd } from '../shared/format.js';
import { setTitle, startShell } from '../shared/shell.js';
import { toast } from '../shared/toast.js';
import { empty, find, html, icon, keyValues, mount, nothing, notice, pathPart, progress, time } from '../shared/view.js';

const DOWNLOAD_GAP_MS = 400;
const modelId = pathPart();
const state = { model: null, error: null, busy: false, chosen: new Set() };

async function load() {
  try {
    state.model = await get(`/models/${modelId}`);
    state.error = null;
  } catch (error) {
    state.error = error;
  }
  paint();
}

async function download(names) {
  state.busy = true;
  paint();
  try {
    const reply = await post(`/models/${modelId}/download`, names ? { files: names } : {});
    for (const [index, file] of reply.files.entries()) {
      // Browsers drop downloads that start in the same instant from one page.
      if (index) await new Promise((resolve) => { setTimeout(resolve, DOWNLOAD_GAP_MS); });
      followDownload(file.url, file.name);
    }
    toast(`${plural(reply.files.length, 'file')} downloading. Check them against the checksums below.`);
  } catch (error) {
    toast(`Download Error. ${error.message || 'Failed to generate download URLs'}`, 'danger');
  }
  state.busy = false;
  paint();
}

async function copyHash(file) {
  await navigator.clipboard.writeText(file.sha256);
  toast(`Checksum of ${file.name} copied`);
}

function header(model) {
  return html`<div class="page-head"><div><div class="title"><h1>${model.name}</h1><span class="badge" data-tone="success">${icon('circle-check', 'sm')}${model.status === 'stored' ? 'Stored' : model.status}</span></div>
    <div class="meta"><span>${icon('box', 'sm')}${model.base_model.name}</span><a href="/datasets/${model.dataset.id}">${icon('database', 'sm')}${model.dataset.name}</a><a href="/training-jobs/${model.job.id}">${icon('activity', 'sm')}${model.job.name}</a><span>Version ${model.version}</span><span>${date(model.created_at)}</span></div></div>
    <div class="actions"><button type="button" class="btn primary" id="download-all" ?disabled=${state.busy} @click=${() => download(null)}>${icon('download')}Download all (${bytes(model.total_bytes)})</button></div></div>`;
}

function qualityCard({ quality }) {
  return html`<section class="card" aria-labelledby="quality-title"><header><h2 id="quality-title">Quality</h2>${starRating(quality.stars)}</header><div class="body stack">
    <div class="row"><span class="quality-score">${quality.known ? quality.score : '–'}</span><span class="muted">of 5${quality.known ? '' : ', unknown: no metrics were recorded'} · convergence: ${quality.convergence}</span></div>
    ${(quality.parts ?? []).map((part) => html`<div class="part"><span><b>${part.label}</b><span class="num">${part.points} / ${part.of}</span></span>${progress((part.points / part.of) * 100, part.label, 'success', 'thin')}<span class="small muted">${part.sentence}</span></div>`)}</div></section>`;
}

function summaryCard(model) {
  const { training: t, metrics: m } = model;
  return html`<section class="card" aria-labelledby="summary-title"><header><h2 id="summary-title">Training summary</h2>${t.ended_by && t.ended_by !== 'completed' ? html`<span class="badge" data-tone="warning">Ended by ${t.ended_by.replaceAll('_', ' ')}</span>` : nothing}</header><div class="body">${keyValues([
    ['Validation loss', `${loss(m.validation_loss)}${m.base_validation_loss === null ? '' : ` (base model ${loss(m.base_validation_loss)})`}`], ['Training loss', loss(m.training_loss)],
    ...(m.perplexity === null ? [] : [['Perplexity', Number(m.perplexity).toFixed(2)]]),
    ['Epochs', count(t.epochs)], ['Steps', `${count(t.steps)} of ${count(t.total_steps)}`], ['Tokens', count(t.tokens)], ['Duration', duration(t.duration_seconds)], ['Cost', usd(t.cost_usd)],
  ])}</div></section>`;
}

function configurationCard(model) {
  const h = model.configuration.hyperparameters;
  return html`<section class="card" aria-labelledby="configuration-title"><header><h2 id="configuration-title">Configuration</h2><span class="badge" data-tone=${model.configuration.preset_id}>${model.configuration.preset_name}</span></header><div class="body">${keyValues([
    ['GPU', `${model.configuration.gpu.count}x ${model.configuration.gpu.name}`], ['Rank / alpha', `${h.rank} / ${h.alpha ?? 'N/A'}`], ['Learning rate', learningRate(h.learning_rate)], ['Batch size', `${h.batch_size} × ${h.gradient_accumulation_steps}`],
    ['Quantization', model.configuration.quantization], ['Seed', String(model.configuration.seed)],
  ])}</div></section>`;
}

function lineageCard(model) {
  return html`<section class="card" aria-labelledby="lineage-title"><header><h2 id="lineage-title">Lineage</h2></header><div class="body">${keyValues([
    ['Training job', html`<a class="link" href="/training-jobs/${model.job.id}">${model.job.name}</a>`], ['Dataset', html`<a class="link" href="/datasets/${model.dataset.id}">${model.dataset.name}</a>`],
    ['Dataset SHA-256', html`<span class="hash">${model.dataset.sha256}</span>`], ['Base model', html`<span class="mono">${model.base_model.hub_id}</span>`], ['Revision', html`<span class="hash">${model.base_model.revision}</span>`],
    ['Licence', model.base_model.license], ['Made by', model.created_by.name], ['Created', time(model.created_at)],
  ])}</div></section>`;
}

function filesCard(model) {
  const toggle = (name) => {
    if (!state.chosen.delete(name)) state.chosen.add(name);
    paint();
  };
  return html`<section class="card" aria-labelledby="files-title"><header><h2 id="files-title">Files</h2><button type="button" class="btn sm" ?disabled=${!state.chosen.size || state.busy} @click=${() => download([...state.chosen])}>${icon('download', 'sm')}Download chosen${state.chosen.size ? ` (${state.chosen.size})` : ''}</button></header>
    <table class="table"><thead><tr><th scope="col"><span class="sr">Choose</span></th><th scope="col">Name</th><th scope="col" class="r">Size</th><th scope="col" class="opt">SHA-256</th><th scope="col"><span class="sr">Download</span></th></tr></thead><tbody>
    ${model.files.map((file) => html`<tr><td><input type="checkbox" aria-label="Choose ${file.name}" .checked=${state.chosen.has(file.name)} @change=${() => toggle(file.name)}></td><td class="wrap-any">${file.name}</td><td class="r num nowrap">${bytes(file.size_bytes)}</td>
      <td class="opt"><span class="row"><span class="hash" title=${file.sha256}>${file.sha256.slice(0, 16)}…</span><button type="button" class="btn ghost sm icon-only" aria-label="Copy checksum of ${file.name}" @click=${() => copyHash(file)}>${icon('copy', 'sm')}</button></span></td>
      <td class="r"><button type="button" class="btn sm icon-only" aria-label="Download ${file.name}" ?disabled=${state.busy} @click=${() => download([file.name])}>${icon('download', 'sm')}</button></td></tr>`)}</tbody></table></section>`;
}

function samplesCard(samples) {
  if (!samples?.length) return nothing;
  return html`<section class="card" aria-labelledby="samples-title"><header><h2 id="samples-title">Base model and adapter, side by side</h2></header>${samples.map((sample) => html`<div class="sample"><b class="wrap-any">${sample.prompt}</b>
    <div class="answers"><div class="answer"><h3>Base model</h3>${sample.base}</div><div class="answer adapter"><h3>With your adapter</h3>${sample.adapter}</div></div>${sample.reference ? html`<p class="small muted wrap-any">Expected: ${sample.reference}</p>` : nothing}</div>`)}</section>`;
}

function rowsCard(title, note, rows) {
  if (!rows?.length) return nothing;
  return html`<section class="card" aria-label=${title}><header><h2>${title}</h2><span class="small muted">${note}</span></header><table class="table"><thead><tr><th scope="col" class="r">Line</th><th scope="col">Text</th><th scope="col" class="r opt-m">Base loss</th><th scope="col" class="r">Loss</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr><td class="r num">${count(row.line)}</td><td class="wrap-any">${row.excerpt}</td><td class="r num opt-m">${loss(row.base_loss)}</td><td class="r num">${loss(row.loss)}</td></tr>`)}</tbody></table></section>`;
}

function paint() {
  const host = find('#view');
  const { model, error } = state;
  if (error) {
    mount(host, error.status === 404 ? html`<div class="card">${empty('Model not found or access denied', nothing, html`<a class="btn" href="/models">All models</a>`, 'search')}</div>` : notice(`Failed to fetch model. ${error.message}`, load));
    return;
  }
  setTitle(model.name);
  mount(host, html`${header(model)}<div class="halves">${qualityCard(model)}${summaryCard(model)}</div>${filesCard(model)}${samplesCard(model.samples)}
    ${rowsCard('Worst rows', 'validation rows the adapter finds hardest', model.worst_rows)}${rowsCard('Regressed rows', 'rows the base model did better on', model.regressed_rows)}<div class="halves">${lineageCard(model)}${configurationCard(model)}</div>`);
}

if (startShell()) load();
