import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { costChange } from '../../../frontend_static/static/js/components/estimate_panel.js';
import * as form from '../../../frontend_static/static/js/components/job_form.js';
import { tagProblem } from '../../../frontend_static/static/js/components/tags_editor.js';

const example = (name) => JSON.parse(readFileSync(new URL('../../../contracts/examples/' + name + '.json', import.meta.url))).data;
const catalog = example('catalog');
const dataset = { ...example('dataset') };
const lock = { message: 'Unlock after 3 successful training runs', or_conversations_above: 300 };
const presets = ['conservative', 'balanced', 'aggressive'].map((id) => ({ ...catalog.presets[0], id, unlock: id === 'aggressive' ? lock : null }));

test('the first preset follows the size of the dataset', () => {
  assert.equal(form.defaultPreset(presets, { conversations: 149 }), 'conservative');
  assert.equal(form.defaultPreset(presets, { conversations: 150 }), 'balanced');
  assert.equal(form.defaultPreset(presets, { conversations: 300 }), 'balanced');
  assert.equal(form.defaultPreset(presets, { conversations: 301 }), 'aggressive');
  assert.equal(form.defaultPreset(presets, null), 'balanced');
});

test('a locked preset opens for a large dataset and says why it is closed for a small one', () => {
  assert.equal(form.lockedReason(presets[2], { conversations: 301 }), null);
  assert.equal(form.lockedReason(presets[2], { conversations: 300 }), lock.message);
});

test('only what differs from the preset is sent', () => {
  assert.deepEqual(form.differences({ rank: 16, epochs: 5, target_modules: [...presets[0].hyperparameters.target_modules] }, presets[0]), { epochs: 5 });
});

test('the request of a job has the shape of the contract', () => {
  const choice = { ...form.emptyChoice(), dataset, presetId: 'balanced', overrides: { epochs: 3 }, baseModel: catalog.base_models[0].id, name: ' Elena - Balanced ', notes: 'n', tags: ['experiment'], spendCap: '7.5' };
  choice.gpu = { type: catalog.gpus[0].type, count: 1, tier: 'spot' };
  const body = form.jobRequest(choice);
  const contract = JSON.parse(readFileSync(new URL('../../../contracts/examples/job_create_request.json', import.meta.url)));
  for (const key of Object.keys(body)) assert.ok(key in contract, key + ' is not in the contract');
  assert.equal(body.name, 'Elena - Balanced');
  assert.equal(body.spend_cap_usd, '7.50');
  assert.equal(body.export_merged, false);
});

test('without a dataset nothing is estimated', () => {
  assert.equal(form.estimateRequest(form.emptyChoice()), null);
});

test('the name is asked for between 3 and 100 characters', () => {
  const choice = { ...form.emptyChoice(), dataset, name: 'ab' };
  assert.equal(form.problems(choice, null).name, 'Job name must be between 3 and 100 characters');
  assert.equal(form.problems({ ...choice, name: 'abc' }, null).name, undefined);
});

test('a cap below the lowest estimate is pointed out', () => {
  const choice = { ...form.emptyChoice(), dataset, name: 'abc', spendCap: '1' };
  assert.match(form.problems(choice, example('estimate_reply')).spend_cap_usd, /below the lowest estimate/);
  assert.match(form.problems({ ...choice, spendCap: '0' }, null).spend_cap_usd, /above zero/);
});

test('the default name never exceeds its limit', () => {
  const choice = { ...form.emptyChoice(), dataset: { name: 'x'.repeat(300) }, presetId: 'balanced' };
  const name = form.defaultName(choice, catalog, '2026-11-22');
  assert.equal(name.length, 100);
  assert.ok(name.endsWith(' - Balanced - 2026-11-22'));
});

test('tiers without a price are not offered', () => {
  assert.deepEqual(form.offeredTiers({ prices: { spot: null, on_demand: { usd_per_hour: '2.00' } } }), ['on_demand']);
  assert.deepEqual(form.offeredTiers(undefined), []);
});

test('a draft comes back as the choice it was made from', () => {
  const job = example('job');
  const choice = form.choiceFromJob(job, dataset);
  assert.equal(choice.name, job.name);
  assert.deepEqual(choice.gpu, { type: job.configuration.gpu.type, count: 1, tier: 'spot' });
  assert.equal(choice.spendCap, job.cost.spend_cap_usd);
});

test('the change of an estimate names direction, amount and share', () => {
  const at = (expected) => ({ cost_usd: { expected } });
  assert.equal(costChange(at('6.00'), at('5.00')).text, '↑ $1.00 higher than previous estimate (20%)');
  assert.equal(costChange(at('4.00'), at('5.00')).text, '↓ $1.00 savings vs previous (20%)');
  assert.equal(costChange(at('5.00'), at('5.00')), null);
  assert.equal(costChange(at('5.00'), null), null);
});

test('tags are short, lowercase, distinct and at most ten', () => {
  assert.equal(tagProblem('iteration-1', []), null);
  assert.match(tagProblem('No', []), /lowercase/);
  assert.match(tagProblem('poc', ['poc']), /already/);
  assert.equal(tagProblem('eleventh', Array.from({ length: 10 }, (_, index) => 'tag-' + index)), 'Maximum 10 tags allowed');
});
