/**
 * Gives the focus back to where it was. The event that tells of a closing may come late: whoever went on by then is left alone.
 * @param {HTMLElement} closed
 * @param {Element|null} opener
 * @param {Element|null} [before] where the browser itself puts the focus
 */
export function returnFocus(closed, opener, before = opener) {
  const now = document.activeElement;
  const isLost = now === null || now === document.body || now === before || closed.contains(now);
  if (isLost && opener instanceof HTMLElement && opener.isConnected) opener.focus();
}

/**
 * Opens a native modal dialog and gives focus back to where it was when it closes.
 * Escape counts as leaving; clicks outside do nothing, so nothing typed is lost by a stray click.
 * @param {HTMLDialogElement} dialog
 * @param {() => void} [onClose]
 */
export function openDialog(dialog, onClose) {
  const opener = document.activeElement;
  dialog.addEventListener(
    'close',
    () => {
      returnFocus(dialog, opener);
      onClose?.();
    },
    { once: true },
  );
  dialog.showModal();
}

/**
 * Makes an empty dialog at the end of the page and removes it after it closed.
 * @param {string} labelledBy id of its heading
 * @param {string} [classes]
 * @returns {HTMLDialogElement}
 */
export function createDialog(labelledBy, classes = '') {
  const dialog = document.createElement('dialog');
  dialog.className = `modal ${classes}`;
  dialog.setAttribute('aria-labelledby', labelledBy);
  document.body.append(dialog);
  dialog.addEventListener('close', () => queueMicrotask(() => dialog.remove()));
  return dialog;
}
