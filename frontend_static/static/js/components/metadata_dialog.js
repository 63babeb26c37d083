import { patch } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { toast } from '../shared/toast.js';
import { html, nothing, notice, render } from '../shared/view.js';
import { tagsEditor } from './tags_editor.js';

/**
 * Edits description, notes and tags; the name only while the job has not started.
 * @param {object} job @param {string[]} knownTags @param {() => void} onSaved
 */
export function openMetadataDialog(job, knownTags, onSaved) {
  const state = { description: job.description ?? '', notes: job.notes ?? '', tags: [...(job.tags ?? [])], error: null, busy: false };
  const dialog = createDialog('metadata-title', 'wide');
  const set = (change) => {
    Object.assign(state, change);
    paint();
  };
  async function save() {
    set({ busy: true, error: null });
    try {
      await patch(`/jobs/${job.id}`, { description: state.description, notes: state.notes, tags: state.tags });
      dialog.close();
      toast('Job information saved');
      onSaved();
    } catch (error) {
      set({ busy: false, error: error.message });
    }
  }
  function paint() {
    render(
      html`<div class="modal-body"><h2 id="metadata-title">Edit Metadata</h2>
        <div class="field"><label for="edit-description">Document the purpose of this training run<span class="counter num">${state.description.length}/500</span></label>
          <textarea class="textarea" id="edit-description" maxlength="500" .value=${state.description} @input=${(event) => set({ description: event.target.value })}></textarea></div>
        <div class="field"><label for="edit-notes">Experimental notes, hypothesis, configuration rationale<span class="counter num">${state.notes.length}/2000</span></label>
          <textarea class="textarea" id="edit-notes" maxlength="2000" .value=${state.notes} @input=${(event) => set({ notes: event.target.value })}></textarea></div>
        ${tagsEditor(state.tags, knownTags, (tags) => set({ tags }))}${state.error ? notice(state.error) : nothing}</div>
        <footer><button type="button" class="btn" @click=${() => dialog.close()}>Cancel</button><button type="button" class="btn primary" ?disabled=${state.busy} @click=${save}>Save</button></footer>`,
      dialog,
    );
  }
  paint();
  openDialog(dialog);
}
