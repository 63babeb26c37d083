/**
 * What a person has chosen on the new-job page, and the requests made from it. No part of this touches the page.
 */

const SIZES = [[150, 'conservative'], [301, 'balanced'], [Infinity, 'aggressive']];
const LOCKED_FALLBACK = 'balanced';
export const NAME_LIMITS = [3, 100];

/** @returns {object} an empty choice */
export function emptyChoice() {
  return { dataset: null, presetId: null, overrides: {}, gpu: { type: null, count: 1, tier: 'spot' }, baseModel: null, exportMerged: false, name: '', nameEdited: false, description: '', notes: '', tags: [], clientId: '', spendCap: '', capEdited: false };
}

/** @param {object} preset @param {object|null} dataset @returns {string|null} why it cannot be chosen yet */
export function lockedReason(preset, dataset) {
  const lock = preset.unlock;
  if (!lock) return null;
  if (lock.or_conversations_above && (dataset?.conversations ?? 0) > lock.or_conversations_above) return null;
  return typeof lock === 'string' ? lock : lock.message;
}

/**
 * The preset a person starts with: by the size of the dataset, Balanced where that is unknown or locked.
 * @param {object[]} presets @param {object|null} dataset
 * @returns {string} id
 */
export function defaultPreset(presets, dataset) {
  const size = dataset?.conversations;
  const wanted = size ? SIZES.find(([below]) => size < below)[1] : LOCKED_FALLBACK;
  const open = presets.filter((preset) => !lockedReason(preset, dataset));
  const found = [wanted, LOCKED_FALLBACK].find((id) => open.some((preset) => preset.id === id));
  return found ?? open[0]?.id ?? presets[0].id;
}

/** Tiers a GPU is offered in. @param {object|undefined} gpu of the catalogue @returns {string[]} */
export function offeredTiers(gpu) {
  return ['spot', 'on_demand'].filter((tier) => gpu?.prices?.[tier]);
}

/** Values of the preset with the person's own on top. @param {object} choice @param {object} catalog */
export function hyperparameters(choice, catalog) {
  const preset = catalog.presets.find((one) => one.id === choice.presetId);
  return { ...preset?.hyperparameters, ...choice.overrides };
}

/** @param {object} choice @param {object} catalog @param {string} today YYYY-MM-DD */
export function defaultName(choice, catalog, today) {
  if (!choice.dataset) return '';
  const preset = catalog.presets.find((one) => one.id === choice.presetId)?.name ?? 'Custom';
  const rest = ` - ${preset} - ${today}`;
  return choice.dataset.name.slice(0, NAME_LIMITS[1] - rest.length) + rest;
}

/** @param {object} choice @returns {object|null} body of the estimate call, null until enough is chosen */
export function estimateRequest(choice) {
  if (!choice.dataset || !choice.presetId || !choice.gpu.type || !choice.baseModel) return null;
  return { dataset_id: choice.dataset.id, preset_id: choice.presetId, hyperparameters: choice.overrides, gpu: choice.gpu, base_model: choice.baseModel, export_merged: choice.exportMerged };
}

/** @param {object} choice @returns {object} body of the create and edit calls */
export function jobRequest(choice) {
  const body = { ...estimateRequest(choice), name: choice.name.trim(), description: choice.description.trim(), notes: choice.notes, tags: choice.tags };
  if (choice.clientId) body.client_id = choice.clientId;
  if (choice.spendCap !== '') body.spend_cap_usd = Number(choice.spendCap).toFixed(2);
  return body;
}

/**
 * @param {object} choice @param {object|null} estimate
 * @returns {Record<string, string>} what still has to be put right, by field
 */
export function problems(choice, estimate) {
  const found = {};
  if (!choice.dataset) found.dataset = 'Choose a dataset.';
  else if (choice.dataset.status !== 'ready') found.dataset = 'This dataset cannot be used yet.';
  const length = choice.name.trim().length;
  if (length < NAME_LIMITS[0] || length > NAME_LIMITS[1]) found.name = 'Job name must be between 3 and 100 characters';
  const cap = Number(choice.spendCap);
  if (choice.spendCap !== '' && !(cap > 0)) found.spend_cap_usd = 'Enter an amount above zero.';
  else if (estimate && choice.spendCap !== '' && cap < Number(estimate.cost_usd.low)) found.spend_cap_usd = 'This is below the lowest estimate: the job would stop before it is done.';
  return found;
}

/** @param {object} job a draft @param {object} dataset @returns {object} the choice it holds */
export function choiceFromJob(job, dataset) {
  const c = job.configuration;
  return {
    ...emptyChoice(), dataset, presetId: c.preset_id, overrides: {}, gpu: { type: c.gpu.type, count: c.gpu.count, tier: c.gpu.tier }, baseModel: c.base_model.id, exportMerged: Boolean(c.export_merged),
    name: job.name, nameEdited: true, description: job.description ?? '', notes: job.notes ?? '', tags: job.tags ?? [], clientId: job.client_id ?? '',
    spendCap: job.cost?.spend_cap_usd ?? '', capEdited: Boolean(job.cost?.spend_cap_usd),
  };
}

/** Only what differs from the preset is sent. @param {object} values @param {object} preset */
export function differences(values, preset) {
  const entries = Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(preset?.hyperparameters[name]));
  return Object.fromEntries(entries);
}
