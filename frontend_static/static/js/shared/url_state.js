/** @param {string} name @returns {string|null} value of a query parameter of this page */
export function readParameter(name) {
  return new URLSearchParams(location.search).get(name);
}

/**
 * Writes page state into the address.
 * @param {Record<string, string|number|null|undefined>} values empty ones are removed
 * @param {{push?: boolean}} [options] push adds a history entry, so Back returns to the former state
 */
export function writeParameters(values, { push = false } = {}) {
  const parameters = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === '') parameters.delete(name);
    else parameters.set(name, String(value));
  }
  const text = parameters.toString().replaceAll('%2C', ',');
  const target = location.pathname + (text ? `?${text}` : '');
  if (target === location.pathname + location.search) return;
  history[push ? 'pushState' : 'replaceState'](null, '', target);
}

/**
 * @param {Function} action
 * @param {number} delayMilliseconds
 * @returns {Function & {cancel: () => void}} runs the action once calls have stopped for the delay
 */
export function debounce(action, delayMilliseconds) {
  let timer = null;
  const delayed = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), delayMilliseconds);
  };
  delayed.cancel = () => clearTimeout(timer);
  return delayed;
}
