import { createDialog, openDialog } from '../shared/dialog.js';
import { count, hoursRange, learningRate, percent, plural, usd, usdRange } from '../shared/format.js';
import { html, icon, keyValues, nothing, render, time } from '../shared/view.js';
import { tagPills } from './job_row.js';

const group = (title, pairs) => html`<section class="stack-2"><h3>${title}</h3>${keyValues(pairs)}</section>`;

function sections(job) {
  const { configuration: c, dataset: d, estimate: e } = job;
  const h = c.hyperparameters;
  return [
    group('Dataset and model', [
      ['Dataset', d ? html`<a class="link" href="/datasets/${d.id}">${d.name}</a>` : 'Removed'],
      ...(d?.training_pairs ? [['Training pairs', count(d.training_pairs)], ['Tokens', count(d.tokens)]] : []),
      ['Base model', c.base_model.name], ['Merged model', c.export_merged ? 'Exported too' : 'Not exported'],
    ]),
    group('GPU', [['Type', `${c.gpu.count}x ${c.gpu.name}`], ['Tier', c.gpu.tier === 'spot' ? 'Spot' : 'On-Demand'], ['Quantization', c.quantization ?? 'None']]),
    group('Hyperparameters', [
      ['LoRA rank (r)', h.rank], ['LoRA alpha', h.alpha], ['Dropout', h.dropout], ['Target modules', h.target_modules.join(', ')],
      ['Learning rate', learningRate(h.learning_rate)], ['Scheduler', h.scheduler], ['Warmup', percent(h.warmup_ratio * 100, 1)], ['Epochs', h.epochs], ['Batch size', `${h.batch_size} × ${plural(h.gradient_accumulation_steps, 'step')}`],
      ['Longest sequence', `${count(h.max_sequence_length)} tokens`], ['Weight decay', h.weight_decay], ['Gradient clipping', h.max_grad_norm], ['Seed', c.seed],
    ]),
    group('Cost and time', [
      ...(e ? [['Estimated cost', usdRange(e.cost_usd)], ['Estimated duration', hoursRange(e.duration_hours)]] : []),
      ['Spend cap', usd(job.cost.spend_cap_usd)], ['Spent so far', usd(job.cost.spent_usd)], ['Created', time(job.created_at)], ['Created by', job.created_by.name],
    ]),
  ];
}

/** Everything a job is configured with. @param {object} job full job of the API */
export function openConfigurationDialog(job) {
  const dialog = createDialog('configuration-title', 'wide');
  render(
    html`<div class="modal-body"><h2 id="configuration-title">${icon('sliders-horizontal', 'lg')}Configuration</h2>
      <p><b>${job.name}</b> <span class="mono muted">${job.id}</span> <span class="badge" data-tone=${job.configuration.preset_id}>${job.configuration.preset_name}</span></p>
      ${job.description ? html`<p class="wrap-any">${job.description}</p>` : nothing}${job.tags?.length ? html`<div class="row">${tagPills(job.tags)}</div>` : nothing}
      <div class="two-fields configuration">${sections(job)}</div></div>
      <footer><a class="btn" href="/training-jobs/${job.id}">View Details</a><button type="button" class="btn primary" autofocus @click=${() => dialog.close()}>Close</button></footer>`,
    dialog,
  );
  openDialog(dialog);
}
