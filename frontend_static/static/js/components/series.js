/** Names of the metric columns the API sends. */
export const COLUMNS = ['step', 'training_loss', 'validation_loss', 'learning_rate', 'grad_norm', 'tokens_per_second', 'gpu_utilization', 'gpu_memory_gb', 'cost_usd'];

/** @returns {Record<string, Array<number|null>>} columns without a point */
export function emptySeries() {
  return Object.fromEntries(COLUMNS.map((name) => [name, []]));
}

function appendAll(series, points) {
  for (const name of COLUMNS) {
    const target = series[name];
    for (const value of points[name] ?? points.step.map(() => null)) target.push(value);
  }
}

/**
 * Adds points to a series in order of step. A step seen again (a resumed job repeats some) replaces the former values,
 * and a missing value never wipes one that is known.
 * @param {Record<string, Array<number|null>>} series
 * @param {Record<string, Array<number|null>>} points
 * @returns {Record<string, Array<number|null>>} the same series when points only follow it, else a new one
 */
export function mergePoints(series, points) {
  if (!points?.step?.length) return series;
  const last = series.step.at(-1) ?? -Infinity;
  const ordered = points.step.every((step, index) => step > (index ? points.step[index - 1] : last));
  if (ordered) {
    appendAll(series, points);
    return series;
  }
  const rows = new Map();
  for (const source of [series, points]) {
    source.step.forEach((step, index) => {
      const row = rows.get(step) ?? {};
      for (const name of COLUMNS) row[name] = source[name]?.[index] ?? row[name] ?? null;
      rows.set(step, row);
    });
  }
  const merged = emptySeries();
  for (const step of [...rows.keys()].sort((a, b) => a - b)) {
    for (const name of COLUMNS) merged[name].push(rows.get(step)[name]);
  }
  return merged;
}

/**
 * Exponential moving average with bias correction; nulls are skipped and stay null.
 * The window grows with the curve, so that a short steep one is not drawn late and a long noisy one is still calm.
 * @param {Array<number|null>} values
 * @param {number} [keep] weight of the past
 */
export function smooth(values, keep = 1 - 2 / (1 + Math.max(5, values.length / 40))) {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * keep + value * (1 - keep);
    weight = weight * keep + (1 - keep);
    return sum / weight;
  });
}

/**
 * Positions to keep of a long column so that its spikes stay visible: both ends, and of each stretch between them the
 * least and the greatest value. Nulls are left out.
 * @param {Array<number|null>} values
 * @param {number} size at most
 * @returns {number[]} in order
 */
export function keptByExtremes(values, size) {
  const known = [];
  for (let index = 0; index < values.length; index += 1) if (values[index] !== null) known.push(index);
  if (known.length <= size) return known;
  const stretches = Math.max(1, Math.floor((size - 2) / 2));
  const inside = known.length - 2;
  const kept = [known[0]];
  for (let number = 0; number < stretches; number += 1) {
    const end = 1 + Math.floor(((number + 1) * inside) / stretches);
    let at = 1 + Math.floor((number * inside) / stretches);
    let [least, greatest] = [known[at], known[at]];
    for (; at < end; at += 1) {
      const index = known[at];
      if (values[index] < values[least]) least = index;
      if (values[index] > values[greatest]) greatest = index;
    }
    kept.push(Math.min(least, greatest));
    if (least !== greatest) kept.push(Math.max(least, greatest));
  }
  kept.push(known.at(-1));
  return kept;
}

const MOST_POINTS = 8000;
const KEPT_POINTS = 3000;
const NEWEST_POINTS = 1000;

/**
 * A page that stays open for days keeps what a chart can show: of a series grown too long the extremes of both losses and
 * the newest points as they are. Half is let go at once, so that it happens rarely.
 * @param {Record<string, Array<number|null>>} series
 * @returns {Record<string, Array<number|null>>} the same series while it is short enough
 */
export function bounded(series) {
  const length = series.step.length;
  if (length <= MOST_POINTS) return series;
  const first = length - NEWEST_POINTS;
  const extremes = ['training_loss', 'validation_loss'].flatMap((name) => keptByExtremes(series[name].slice(0, first), KEPT_POINTS));
  const chosen = [...new Set([0, ...extremes])].sort((one, other) => one - other);
  for (let index = first; index < length; index += 1) chosen.push(index);
  return Object.fromEntries(COLUMNS.map((name) => [name, chosen.map((index) => series[name][index])]));
}

/**
 * At most `size` values of a column for a sparkline, the newest last.
 * @param {Array<number|null>} values
 * @param {number} [size]
 * @returns {number[]}
 */
export function sample(values, size = 40) {
  return keptByExtremes(values, size).map((index) => values[index]);
}
