import { get, query } from '../shared/api.js';
import { debounce } from '../shared/url_state.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { announce, badge, html, icon, nothing, notice, render } from '../shared/view.js';
import { plural } from '../shared/format.js';

const SEARCH_DELAY_MS = 300;
const SHOWN = 8;

/** Finds a job by words and tags and hands it over. */
export class JobPicker {
  /**
   * @param {HTMLElement} host
   * @param {{taken: string[], tags: string[], onPick: (job: object) => void}} options taken: ids not offered; tags: offered as filters
   */
  constructor(host, { taken, tags, onPick }) {
    Object.assign(this, { host, taken, tags, onPick, search: '', tag: null, jobs: null, error: null });
    this.findLater = debounce(() => this.load(), SEARCH_DELAY_MS);
    this.paint();
    this.load();
  }

  #path() {
    // More than are shown: drafts and jobs that are compared already drop out.
    return `/jobs${query({ search: this.search, tag: this.tag, limit: 25 })}`;
  }

  async load() {
    const path = this.#path();
    try {
      const page = await get(path);
      if (path !== this.#path()) return;
      this.jobs = page.jobs.filter((job) => job.status !== 'pending_configuration' && !this.taken.includes(job.id)).slice(0, SHOWN);
      this.error = null;
      announce(`${plural(this.jobs.length, 'job')} found`);
    } catch (error) {
      this.error = error;
    }
    this.paint();
  }

  #setTag(tag) {
    this.tag = this.tag === tag ? null : tag;
    this.paint();
    this.load();
  }

  #onSearch(event) {
    this.search = event.target.value.trim();
    this.findLater();
  }

  #results() {
    if (this.error) return notice(this.error.message, () => this.load());
    if (!this.jobs) return html`<div class="stack-2">${[1, 2, 3].map(() => html`<span class="skeleton h-32"></span>`)}</div>`;
    if (!this.jobs.length) return html`<p class="small muted">${this.search || this.tag ? 'No other job matches.' : 'There is no other job to compare yet.'}</p>`;
    return html`<ul class="picker-list" aria-label="Jobs to add">${this.jobs.map((job) => html`<li><button type="button" class="picker-job" @click=${() => this.onPick(job)}><span class="picker-name"><span class="cut">${job.name}</span><span class="small muted cut">${[job.configuration?.summary, job.dataset?.name].filter(Boolean).join(' · ')}</span></span>${badge(job.badge)}${icon('plus', 'sm')}</button></li>`)}</ul>`;
  }

  paint() {
    render(
      html`<div class="stack-2 picker"><label class="search">${icon('search', 'sm')}<span class="sr">Search jobs to compare</span><input type="search" id="picker-search" autofocus placeholder="Search by job name, notes, or tags..." @input=${(event) => this.#onSearch(event)}></label>
        ${this.tags.length ? html`<div class="row picker-tags" role="group" aria-label="Only jobs with the tag"><span class="small muted">With the tag</span>${this.tags.map((tag) => html`<button type="button" class="pill" aria-pressed=${String(this.tag === tag)} @click=${() => this.#setTag(tag)}>${icon('tag', 'sm')}${tag}</button>`)}</div>` : nothing}
        ${this.#results()}</div>`,
      this.host,
    );
  }
}

/** The picker in a dialog. @param {{taken: string[], tags: string[], onPick: (job: object) => void}} options */
export function openJobPicker({ taken, tags, onPick }) {
  const dialog = createDialog('picker-title', 'wide');
  render(
    html`<div class="modal-body"><h2 id="picker-title">Add a job to the comparison</h2><div class="picker-host"></div></div><footer><button type="button" class="btn" @click=${() => dialog.close()}>Close</button></footer>`,
    dialog,
  );
  const pick = (job) => {
    dialog.close();
    onPick(job);
  };
  const picker = new JobPicker(dialog.querySelector('.picker-host'), { taken, tags, onPick: pick });
  openDialog(dialog);
  return picker;
}
