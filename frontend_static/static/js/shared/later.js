import { find } from './view.js';

/** Styles that a page needs only for its dialogs and other tabs: a stylesheet that is disabled is not fetched. */
function laterStyles() {
  const link = find('#later-css');
  if (!link?.disabled) return Promise.resolve();
  return new Promise((resolve) => {
    // Without its styles a dialog still works.
    for (const outcome of ['load', 'error']) link.addEventListener(outcome, () => resolve(), { once: true });
    link.disabled = false;
  });
}

/**
 * A module that is fetched when first asked for, with the styles it may need.
 * @template T
 * @param {Promise<T>} module of `import()`
 * @returns {Promise<T>}
 */
export async function later(module) {
  const [loaded] = await Promise.all([module, laterStyles()]);
  return loaded;
}
