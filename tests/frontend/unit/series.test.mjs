import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounded, COLUMNS, emptySeries, keptByExtremes, mergePoints, sample, smooth } from '../../../frontend_static/static/js/components/series.js';
import { trend } from '../../../frontend_static/static/js/components/trend.js';

test('points that follow are appended to the same series', () => {
  const series = emptySeries();
  assert.equal(mergePoints(series, { step: [1, 2], training_loss: [2, 1.5] }), series);
  mergePoints(series, { step: [3], training_loss: [1.2], validation_loss: [1.3] });
  assert.deepEqual(series.step, [1, 2, 3]);
  assert.deepEqual(series.validation_loss, [null, null, 1.3]);
});

test('steps seen again after a resume replace the former values and stay in order', () => {
  const series = mergePoints(emptySeries(), { step: [1, 2, 3], training_loss: [2, 1.5, 1.4], validation_loss: [null, 1.6, null] });
  const merged = mergePoints(series, { step: [2, 3, 4], training_loss: [1.51, 1.41, 1.3] });
  assert.deepEqual(merged.step, [1, 2, 3, 4]);
  assert.deepEqual(merged.training_loss, [2, 1.51, 1.41, 1.3]);
  assert.deepEqual(merged.validation_loss, [null, 1.6, null, null]);
});

test('no points change nothing', () => {
  const series = emptySeries();
  assert.equal(mergePoints(series, undefined), series);
  assert.equal(mergePoints(series, { step: [] }), series);
});

test('smoothing starts at the first value, keeps gaps and stays between the values', () => {
  const smoothed = smooth([2, null, 1, 1], 0.5);
  assert.equal(smoothed[0], 2);
  assert.equal(smoothed[1], null);
  assert.ok(smoothed[2] < 2 && smoothed[2] > 1);
});

test('a sample keeps both ends', () => {
  const values = Array.from({ length: 1000 }, (_, index) => index);
  const taken = sample(values, 40);
  assert.equal(taken.length, 40);
  assert.deepEqual([taken[0], taken.at(-1)], [0, 999]);
  assert.deepEqual(sample([1, null, 2]), [1, 2]);
});

test('a fall of the loss is good, a fall of the throughput is not', () => {
  assert.deepEqual(trend(0.342, 0.389, -1).good, 'yes');
  assert.deepEqual(trend(90, 100, 1), { arrow: '↓', change: -10, good: 'no' });
  assert.equal(trend(1, 1, -1).arrow, '—');
  assert.equal(trend(1, null), null);
  assert.equal(trend(0.2, 0.1).good, 'same');
});

test('a spike survives thinning, whatever its place', () => {
  for (const at of [1, 333, 998]) {
    const values = Array.from({ length: 1000 }, (_, index) => (index === at ? 50 : Math.sin(index)));
    const dip = values.map((value) => -value);
    assert.ok(keptByExtremes(values, 40).includes(at));
    assert.ok(keptByExtremes(dip, 40).includes(at));
    assert.ok(keptByExtremes(values, 40).length <= 40);
  }
});

test('what is few is kept whole and what is missing is left out', () => {
  assert.deepEqual(keptByExtremes([null, 3, null, 1], 40), [1, 3]);
  assert.deepEqual(keptByExtremes([], 40), []);
});

test('a series that grew too long keeps its spikes, its validations and its newest points', () => {
  const length = 9000;
  const points = Object.fromEntries(COLUMNS.map((name) => [name, Array.from({ length }, (_, index) => (name === 'step' ? index + 1 : Math.sin(index)))]));
  points.validation_loss = points.validation_loss.map((value, index) => (index % 100 ? null : value));
  points.training_loss[4321] = 99;
  const kept = bounded(points);
  assert.ok(kept.step.length < length / 2 + 1);
  assert.equal(kept.training_loss[kept.step.indexOf(4322)], 99);
  assert.deepEqual(kept.step.slice(-1000), points.step.slice(-1000));
  assert.equal(kept.validation_loss.filter((value) => value !== null).length, 90);
  assert.equal(bounded(kept), kept);
  for (const name of COLUMNS) assert.equal(kept[name].length, kept.step.length);
});
