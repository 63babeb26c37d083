import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differenceText } from '../../../frontend_static/static/js/components/compare_sequence.js';
import { bestOf, settingText } from '../../../frontend_static/static/js/components/compare_table.js';
import { paddedRange } from '../../../frontend_static/static/js/components/chart_colours.js';

test('one job is best, a tie and a lonely value are nobody', () => {
  assert.equal(bestOf([0.4, 0.3, 0.5], -1), 1);
  assert.equal(bestOf([0.4, 0.3, 0.5], 1), 2);
  assert.equal(bestOf([0.3, 0.3], -1), null);
  assert.equal(bestOf([null, 0.3], -1), null);
  assert.equal(bestOf([null, 0.3, 0.2], -1), 2);
  assert.equal(bestOf([1, 2], 0), null);
});

test('settings are written as people read them', () => {
  assert.equal(settingText('learning_rate', 0.0002), '0.0002');
  assert.equal(settingText('warmup_ratio', 0.05), '5%');
  assert.equal(settingText('warmup_ratio', 0.025), '2.5%');
  assert.equal(settingText('target_modules', ['q_proj', 'v_proj']), 'q_proj, v_proj');
  assert.equal(settingText('export_merged', false), 'No');
  assert.equal(settingText('tier', 'on_demand'), 'On-Demand');
  assert.equal(settingText('spend_cap_usd', null), '–');
  assert.equal(settingText('rank', 0), '0');
});

test('a difference has its sign, none is said, the first job has none', () => {
  assert.equal(differenceText(125), '+2m 5s');
  assert.equal(differenceText(-40), '−40s');
  assert.equal(differenceText(0), 'same');
  assert.equal(differenceText(null), '');
});

test('a logarithmic axis never reaches zero', () => {
  assert.ok(paddedRange(0.01, 2, true)[0] > 0);
  assert.equal(paddedRange(0.01, 2)[0], 0);
  assert.deepEqual(paddedRange(null, null), [0, 1]);
});
