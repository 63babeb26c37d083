import { html, icon, nothing } from '../shared/view.js';

const MAXIMUM_TAGS = 10;

/** @param {string} tag @param {string[]} tags already chosen @returns {string|null} what is wrong with it */
export function tagProblem(tag, tags) {
  if (!/^[a-z0-9-]{3,30}$/.test(tag)) return 'A tag has 3 to 30 lowercase letters, digits or hyphens.';
  if (tags.includes(tag)) return `The tag ${tag} is chosen already.`;
  if (tags.length >= MAXIMUM_TAGS) return 'Maximum 10 tags allowed';
  return null;
}

/**
 * Tags as pills with a field that offers the known ones and makes new ones.
 * @param {string[]} tags @param {string[]} known @param {(tags: string[]) => void} onChange
 */
export function tagsEditor(tags, known, onChange) {
  const add = (input) => {
    const tag = input.value.trim().toLowerCase();
    if (!tag) return;
    const problem = tagProblem(tag, tags);
    input.setCustomValidity(problem ?? '');
    if (problem) {
      input.reportValidity();
      return;
    }
    input.value = '';
    onChange([...tags, tag]);
  };
  const onKey = (event) => {
    if (!['Enter', ','].includes(event.key)) return;
    event.preventDefault();
    add(event.currentTarget);
  };
  return html`<div class="field"><label for="tag-input">Tags <span class="muted small">up to ${MAXIMUM_TAGS}</span></label>
    ${tags.length ? html`<div class="row">${tags.map((tag) => html`<span class="pill">${tag}<button type="button" aria-label="Remove tag ${tag}" @click=${() => onChange(tags.filter((one) => one !== tag))}>${icon('x', 'sm')}</button></span>`)}</div>` : nothing}
    <input class="input" id="tag-input" list="known-tags" placeholder="Add a tag and press Enter" @keydown=${onKey} @input=${(event) => event.currentTarget.setCustomValidity('')} @change=${(event) => add(event.currentTarget)}>
    <datalist id="known-tags">${known.filter((tag) => !tags.includes(tag)).map((tag) => html`<option value=${tag}></option>`)}</datalist></div>`;
}
