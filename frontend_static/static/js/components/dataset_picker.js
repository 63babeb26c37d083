import { bytes, count, percent, plural } from '../shared/format.js';
import { empty, html, icon, keyValues, nothing, time } from '../shared/view.js';

const WHY_NOT = { uploading: 'The upload has not finished', validating: 'Still being checked', rejected: 'Rejected: see its report' };

/** @param {object} dataset @returns {string} "✓ High Quality", or what stands in its place */
export function qualityLabel(dataset) {
  return dataset.quality?.label ?? 'Not scored';
}

function option(dataset, chosen, onChoose) {
  const usable = dataset.status === 'ready';
  return html`<label class="choice dataset-choice"><input type="radio" name="dataset" value=${dataset.id} ?disabled=${!usable} .checked=${dataset.id === chosen?.id} @change=${() => onChoose(dataset)}>
    <span class="tick" aria-hidden="true">${icon('check', 'sm')}</span><span class="choice-title">${dataset.name}</span>
    <span class="facts">${usable ? html`<span><b>${count(dataset.conversations)}</b> conversations</span><span><b>${count(dataset.training_pairs)}</b> pairs</span><span>${qualityLabel(dataset)}</span>` : html`<span>${WHY_NOT[dataset.status] ?? dataset.status}</span>`}</span></label>`;
}

function distribution(title, entries) {
  if (!entries?.length) return nothing;
  return html`<div><h3>${title}</h3><p class="small muted">${entries.slice(0, 4).map((entry) => `${entry.value} ${percent(entry.share * 100)}`).join(' · ')}${entries.length > 4 ? ` · +${entries.length - 4} more` : ''}</p></div>`;
}

function facts(dataset) {
  const scores = dataset.quality?.scores ?? {};
  const review = dataset.human_review;
  return html`<div class="card facts-card"><div class="body stack"><div class="row"><span class="badge" data-tone="ready" title=${dataset.readiness?.tooltip ?? nothing}>${dataset.readiness?.label}</span><a class="link small right" href="/datasets/${dataset.id}">Open dataset</a></div>
    ${keyValues([
      ...Object.entries(scores).map(([name, score]) => [name[0].toUpperCase() + name.slice(1), `${score}/5`]),
      ...(review ? [['Human review', `${plural(review.reviewed, 'conversation')} (${percent(review.share * 100)})`]] : []),
      ['Tokens', count(dataset.tokens)], ['File', `${dataset.file_name} · ${bytes(dataset.size_bytes)}`], ['Updated', time(dataset.updated_at)],
    ])}
    ${dataset.scaffolding ? html`<div class="thirds">${distribution('Personas', dataset.scaffolding.personas)}${distribution('Emotional arcs', dataset.scaffolding.emotional_arcs)}${distribution('Topics', dataset.scaffolding.topics)}</div>` : nothing}</div></div>`;
}

/**
 * Search, list and details of the dataset to train on.
 * @param {object[]|null} datasets @param {object|null} chosen @param {{onSearch: (text: string) => void, onChoose: (dataset: object) => void, search: string}} actions
 */
export function datasetPicker(datasets, chosen, { onSearch, onChoose, search }) {
  if (datasets?.length === 0 && !search) return empty('No datasets yet', 'Upload conversations first; a job trains on one dataset.', html`<a class="btn primary" href="/datasets">Go to Datasets</a>`, 'database');
  const shown = chosen && !datasets?.some((one) => one.id === chosen.id) ? [chosen, ...(datasets ?? [])] : datasets ?? [];
  return html`<div class="stack"><label class="search">${icon('search', 'sm')}<span class="sr">Search datasets</span><input type="search" placeholder="Search datasets by name" .value=${search} @input=${(event) => onSearch(event.target.value.trim())}></label>
    ${shown.length ? html`<div class="choices datasets" role="radiogroup" aria-label="Dataset">${shown.map((dataset) => option(dataset, chosen, onChoose))}</div>` : html`<p class="muted small">No dataset is called that.</p>`}
    ${chosen ? facts(chosen) : nothing}</div>`;
}
