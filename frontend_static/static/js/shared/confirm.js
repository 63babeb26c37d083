import { createDialog, openDialog } from './dialog.js';
import { html, icon, nothing, render } from './view.js';

/**
 * Asks before something that cannot be taken back. Enter never confirms: focus starts on the way out.
 * @param {{title: string, text: unknown, confirm: string, back?: string, tone?: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmDialog({ title, text, confirm, back = 'Go Back', tone = 'danger' }) {
  return new Promise((resolve) => {
    const dialog = createDialog('confirm-title');
    let answer = false;
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    render(
      html`<div class="modal-body"><h2 id="confirm-title">${tone === 'danger' ? icon('triangle-alert', 'danger') : nothing}${title}</h2><p>${text}</p></div>
        <footer><button type="button" class="btn" autofocus @click=${() => close(false)}>${back}</button>
        <button type="button" class="btn solid-${tone}" @click=${() => close(true)}>${confirm}</button></footer>`,
      dialog,
    );
    openDialog(dialog, () => resolve(answer));
  });
}
