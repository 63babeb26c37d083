/** Colours come from the tokens; a probe resolves `light-dark()`, which custom properties return unresolved. @param {string} name */
export function colour(name) {
  const probe = document.createElement('i');
  probe.hidden = true;
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @param {string} value as `colour` gives it */
export const faint = (value) => value.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.26)');

/**
 * A range with some air, for a linear or a logarithmic axis.
 * @param {number|null} low @param {number|null} high @param {boolean} [log]
 * @returns {[number, number]}
 */
export function paddedRange(low, high, log = false) {
  if (low === null || high === null) return log ? [0.1, 1] : [0, 1];
  if (log) return [low / 1.08, high * 1.08];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [Math.max(0, low - margin), high + margin];
}

/** Calls back when the page changes between light and dark. @param {() => void} redraw */
export function onTheme(redraw) {
  document.addEventListener('lp:theme', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}
