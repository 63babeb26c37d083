import { usd } from '../shared/format.js';
import { html, icon, nothing } from '../shared/view.js';
import { problems } from './job_form.js';
import { tagsEditor } from './tags_editor.js';

function problemLine(text) {
  return text ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${text}</p>` : nothing;
}

/**
 * Name, purpose, notes, tags and client of a job.
 * @param {{choice: object, catalog: object, estimate: object|null, fieldErrors: object, showProblems: boolean}} state
 * @param {(values: object) => void} set
 * @param {(notes: string) => void} typeNotes
 */
export function detailsFields({ choice, catalog, estimate, fieldErrors, showProblems }, set, typeNotes) {
  const found = { ...(showProblems ? problems(choice, estimate) : {}) };
  for (const [name, messages] of Object.entries(fieldErrors)) found[name] = [messages].flat()[0];
  return html`<div class="fields"><div class="field"><label for="job-name">Job name<span class="counter num">${choice.name.length}/100</span></label>
      <input class="input" id="job-name" maxlength="100" aria-invalid=${found.name ? 'true' : 'false'} .value=${choice.name} @input=${(event) => set({ name: event.target.value, nameEdited: true })}>${problemLine(found.name)}</div>
    <div class="field"><label for="description">Document the purpose of this training run<span class="counter num">${choice.description.length}/500</span></label>
      <textarea class="textarea" id="description" maxlength="500" .value=${choice.description} @input=${(event) => set({ description: event.target.value })}
        placeholder="What is the purpose of this training run? (e.g., 'First production model for Acme client', 'Testing aggressive parameters on high-emotion dataset')"></textarea></div>
    <div class="field"><label for="notes">Experimental notes, hypothesis, configuration rationale<span class="counter num">${choice.notes.length}/2000</span></label>
      <textarea class="textarea" id="notes" maxlength="2000" .value=${choice.notes} @input=${(event) => typeNotes(event.target.value)}
        placeholder="Document your hypothesis, experimental variables, expected outcomes, or configuration rationale. Use markdown for formatting."></textarea></div>
    ${tagsEditor(choice.tags, catalog.tags, (tags) => set({ tags }))}
    ${catalog.clients.length ? html`<div class="field"><label for="client">Client</label><select class="select" id="client" @change=${(event) => set({ clientId: event.target.value })}><option value="">No client</option>
      ${catalog.clients.map((client) => html`<option value=${client.id} ?selected=${client.id === choice.clientId}>${client.name}</option>`)}</select></div>` : nothing}</div>`;
}

/** @param {{choice: object, estimate: object|null, fieldErrors: object}} state @param {(values: object) => void} set */
export function capField({ choice, estimate, fieldErrors }, set) {
  const found = problems(choice, estimate);
  return html`<div class="field"><label for="spend-cap">Spend cap (USD)</label><div class="row"><input class="input num" id="spend-cap" type="number" inputmode="decimal" min="0.01" step="0.01" .value=${String(choice.spendCap)}
      @input=${(event) => set({ spendCap: event.target.value, capEdited: true })}>
    ${choice.capEdited && estimate ? html`<button type="button" class="btn sm" @click=${() => set({ spendCap: estimate.spend_cap_usd, capEdited: false })}>Use ${usd(estimate.spend_cap_usd)}</button>` : nothing}</div>
    <p class="hint">A hard limit. Before it is reached the job saves its work and exports the adapter, then stops.</p>${problemLine(found.spend_cap_usd ?? fieldErrors.spend_cap_usd?.[0])}</div>`;
}
