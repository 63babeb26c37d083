import { html, icon, nothing, notice } from '../shared/view.js';

const MOST = 500;

/**
 * @param {{choice: string|null, reason: string, busy: boolean, error: string|null, reasonError: string|null}} state
 * @param {{set: (change: object) => void, decide: () => void}} act
 * @param {{yes: string, as: unknown}} words what a yes does, and who decides
 */
export function decisionForm(state, act, { yes, as }) {
  const { choice, reason } = state;
  const deny = choice === 'deny';
  const ready = choice && !state.busy && (!deny || reason.trim());
  const option = (value, label, name, text) => html`<label class="choice" data-choice=${value}><input type="radio" name="decision" value=${value} .checked=${choice === value} @change=${() => act.set({ choice: value, error: null, reasonError: null })}>
    <span class="choice-mark">${icon(name)}</span><span class="choice-words"><b>${label}</b><span>${text}</span></span></label>`;
  const submit = (event) => {
    event.preventDefault();
    if (ready) act.decide();
  };
  return html`<section class="card" aria-labelledby="decide-title"><header><h2 id="decide-title">Your decision</h2><span class="small muted">${as}</span></header><form class="body stack" novalidate @submit=${submit}>
    <fieldset class="choices"><legend class="sr">Approve or deny</legend>${option('approve', 'Approve', 'circle-check', yes)}${option('deny', 'Deny', 'circle-x', 'Nothing changes. The person who asked reads your reason.')}</fieldset>
    <div class="field"><label for="reason">${deny ? html`Reason <span class="danger" aria-hidden="true">*</span>` : 'Reason (optional)'}<span class="counter num">${reason.length}/${MOST}</span></label>
      <textarea class="textarea" id="reason" maxlength=${MOST} ?required=${deny} aria-invalid=${state.reasonError ? 'true' : 'false'} .value=${reason} @input=${(event) => act.set({ reason: event.target.value, reasonError: null })}
        placeholder=${deny ? 'Why not? The person who asked will read it.' : 'A word to the person who asked.'}></textarea>
      ${state.reasonError ? html`<p class="field-error" role="alert">${icon('circle-alert', 'sm')}${state.reasonError}</p>` : nothing}</div>
    ${state.error ? notice(state.error) : nothing}
    <div class="row"><button type="submit" class="btn lg ${deny ? 'solid-danger' : 'solid-success'}" id="decide" ?disabled=${!ready} aria-busy=${state.busy}>${choice ? (deny ? 'Deny Request' : 'Approve Request') : 'Choose above'}</button>
      <span class="small muted">${choice === 'deny' && !reason.trim() ? 'Write a reason first.' : 'A decision is final.'}</span></div></form></section>`;
}
