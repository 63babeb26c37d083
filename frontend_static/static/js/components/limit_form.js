import { get, put } from '../shared/api.js';
import { createDialog, openDialog } from '../shared/dialog.js';
import { toast } from '../shared/toast.js';
import { html, icon, nothing, notice, render } from '../shared/view.js';

const [LEAST, MOST] = [1, 10];

/**
 * How many jobs may train at once, for admins. Reads the present limit itself.
 * @param {(template: unknown) => void} show
 * @param {{onSaved?: (limit: number) => void, onBack?: () => void}} [on] onBack adds a way out
 */
export async function startLimitForm(show, { onSaved = () => {}, onBack } = {}) {
  const state = { limit: null, wanted: null, busy: false, error: null };
  const set = (change) => {
    Object.assign(state, change);
    paint();
  };
  const isValid = () => Number.isInteger(state.wanted) && state.wanted >= LEAST && state.wanted <= MOST;
  const step = (by) => set({ wanted: Math.min(MOST, Math.max(LEAST, (state.wanted || state.limit) + by)), error: null });

  async function save(event) {
    event.preventDefault();
    if (!isValid()) {
      set({ error: `Enter a whole number from ${LEAST} to ${MOST}.` });
      return;
    }
    set({ busy: true, error: null });
    try {
      const { concurrency_limit: limit } = await put('/settings', { concurrency_limit: state.wanted });
      set({ limit, wanted: limit, busy: false });
      toast(`Up to ${limit} ${limit === 1 ? 'job trains' : 'jobs train'} at once.`);
      onSaved(limit);
    } catch (error) {
      set({ busy: false, error: error.details?.concurrency_limit?.[0] ?? error.message });
    }
  }

  async function load() {
    try {
      const { concurrency_limit: limit } = await get('/settings');
      set({ limit, wanted: limit, failure: null });
    } catch (error) {
      set({ failure: error });
    }
  }

  function paint() {
    if (state.failure) show(notice(`The limit could not be read. ${state.failure.message}`, load));
    if (state.limit === null) return;
    show(html`<form class="stack" novalidate @submit=${save}><div class="field"><label for="concurrency-limit">Concurrent training jobs</label>
        <div class="row limit"><button type="button" class="btn icon-only" aria-label="One less" ?disabled=${state.wanted <= LEAST} @click=${() => step(-1)}>${icon('minus')}</button>
        <input class="input num" id="concurrency-limit" type="number" inputmode="numeric" min=${LEAST} max=${MOST} step="1" required aria-describedby="limit-hint" aria-invalid=${state.error ? 'true' : 'false'} .value=${String(state.wanted || '')} @input=${(event) => set({ wanted: event.target.value === '' ? 0 : Number(event.target.value), error: null })}>
        <button type="button" class="btn icon-only" aria-label="One more" ?disabled=${state.wanted >= MOST} @click=${() => step(1)}>${icon('plus')}</button></div>
        <p class="hint" id="limit-hint">${LEAST} to ${MOST}. A higher limit starts waiting jobs at once and spends faster. A lower one ends no job: new ones wait until enough have ended.</p>
        ${state.error ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${state.error}</p>` : nothing}</div>
      <div class="row">${onBack ? html`<button type="button" class="btn" @click=${onBack}>Go Back</button>` : nothing}<button type="submit" class="btn primary" id="save-limit" ?disabled=${state.busy || state.wanted === state.limit} aria-busy=${state.busy}>Save limit</button></div></form>`);
  }

  await load();
}

/** The same form in a dialog. @param {() => void} onSaved */
export function openLimitDialog(onSaved) {
  const dialog = createDialog('limit-title');
  const show = (form) => render(html`<div class="modal-body"><h2 id="limit-title">${icon('sliders-horizontal', 'lg')}Concurrency limit</h2>${form}</div>`, dialog);
  show(html`<span class="skeleton h-80"></span>`);
  openDialog(dialog);
  startLimitForm(show, {
    onBack: () => dialog.close(),
    onSaved() {
      dialog.close();
      onSaved();
    },
  });
}
