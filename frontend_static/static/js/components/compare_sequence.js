import { duration, spokenDuration } from '../shared/format.js';
import { html, nothing, time } from '../shared/view.js';
import { jobMark } from './job_mark.js';

/** @param {number|null} seconds @returns {string} "+2m 5s", "−40s", "same"; nothing for the job that others are held against */
export function differenceText(seconds) {
  if (seconds === null || seconds === undefined) return '';
  if (seconds === 0) return 'same';
  return `${seconds > 0 ? '+' : '−'}${duration(Math.abs(seconds))}`;
}

function longest(cells) {
  return Math.max(1, ...cells.map((cell) => cell?.seconds ?? 0));
}

function cellOf(cell, most, index) {
  if (!cell) return html`<td><span class="muted" aria-label="not part of this job">–</span></td>`;
  const isEnd = cell.seconds === null;
  const seconds = isEnd ? cell.offset_seconds : cell.seconds;
  const difference = differenceText(cell.difference_seconds);
  const spoken = `${isEnd ? 'after ' : ''}${spokenDuration(seconds)}${cell.lasting ? ' so far' : ''}`;
  return html`<td class="num" title=${cell.message}><span class="spell"><span><span class="sr">${spoken}</span><b aria-hidden="true">${isEnd ? 'after ' : ''}${duration(seconds)}</b>${cell.lasting ? html`<span class="so-far" aria-hidden="true"> so far</span>` : nothing}</span>
    ${difference ? html`<span class="delta">${difference}</span>` : nothing}</span>
    ${isEnd ? html`<span class="sub wrap-any">${cell.message}</span>` : html`<span class="spell-bar" aria-hidden="true"><i .style=${`inline-size:${Math.max(1, (100 * cell.seconds) / most)}%`} class="bar-${index} ${cell.lasting ? 'lasting' : ''}"></i></span>`}
    <span class="sub">${time(cell.started_at)}</span></td>`;
}

/** What the jobs went through, stage by stage. @param {{jobs: object[], lines: object[]}} sequences */
export function sequenceTable({ jobs, lines }) {
  const label = 'Sequence of events';
  if (!lines.length) return html`<section class="card"><p class="pad muted">None of these jobs has been started yet.</p></section>`;
  return html`<section class="card" aria-labelledby="sequence-title"><header><h2 id="sequence-title">${label}</h2><span class="small muted">Differences are to the first job that has the stage</span></header>
    <div class="scroll-x" tabindex="0" role="group" aria-label=${label}><table class="table compare-table sequence" data-jobs=${jobs.length}><thead><tr><th scope="col" class="what">Stage</th>${jobs.map((job, index) => html`<th scope="col"><span class="compare-col">${jobMark(index)}<a class="cut" href="/training-jobs/${job.id}?tab=event-log&view=timeline" title="Event log of ${job.name}">${job.name}</a></span></th>`)}</tr></thead>
    <tbody>${lines.map((line) => html`<tr><th scope="row" class="what">${line.label}</th>${line.cells.map((cell, index) => cellOf(cell, longest(line.cells), index))}</tr>`)}</tbody></table></div></section>`;
}
