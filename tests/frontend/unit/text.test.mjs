import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colouredJson } from '../../../frontend_static/static/js/components/event_row.js';
import { eventsCsv } from '../../../frontend_static/static/js/components/export_log_dialog.js';
import { highlighted } from '../../../frontend_static/static/js/components/job_row.js';
import { spentNow } from '../../../frontend_static/static/js/components/job_overview.js';
import { markdown } from '../../../frontend_static/static/js/components/markdown.js';
import { fileProblem, nameFromFile } from '../../../frontend_static/static/js/components/uploader.js';
import { adapterWeights, rateAt } from '../../../frontend_static/static/js/pages/hyperparameters.js';

/** The text a template would show, with its tags. */
function written(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(written).join('');
  if (value.strings) return value.strings.map((part, index) => part + written(value.values[index])).join('');
  return String(value);
}

test('highlights mark the hits and nothing else becomes markup', () => {
  assert.equal(written(highlighted('a <mark>b</mark> &lt;img onerror=x>')), 'a <mark>b</mark> <img onerror=x>');
  const [before, hit, after] = highlighted('a <mark>b</mark> <i>c</i>');
  assert.equal(before, 'a ');
  assert.equal(hit.values[0], 'b');
  assert.equal(after, ' <i>c</i>');
});

test('notes know bold, italic, lists and code, and pass markup on as text', () => {
  const blocks = markdown('**b** and *i*\n\n- one\n- two\n\n<script>alert(1)</script>');
  const text = written(blocks);
  assert.match(text, /<strong>b<\/strong> and <em>i<\/em>/);
  assert.match(text, /<ul><li>one<\/li><li>two<\/li><\/ul>/);
  const scripts = blocks.flat(9).filter((block) => block.strings?.join('').includes('<script'));
  assert.equal(scripts.length, 0);
});

test('code blocks keep their lines', () => {
  assert.match(written(markdown('```py\na = 1\nb = 2\n```')), /<pre class="code">a = 1\nb = 2<\/pre>/);
});

test('notes know links, tables, quotes, tasks and nested lists', () => {
  const text = written(markdown('see [docs](https://a.example/x) and https://b.example\n\n- [x] done\n  - part\n\n> said\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |'));
  assert.match(text, /href=https:\/\/a\.example\/x/);
  assert.match(text, /href=https:\/\/b\.example/);
  assert.match(text, /aria-label=Done/);
  assert.match(text, /<ul><li>part<\/li><\/ul>/);
  assert.match(text, /<blockquote><p>said<\/p><\/blockquote>/);
  assert.match(text, /<td><del>2<\/del><\/td>/);
});

test('a note brings in no script address, no picture and no markup', () => {
  const text = written(markdown('[x](javascript:alert(1)) [y](data:text/html,z) ![p](https://t.example/p.png) <b onclick=1>hi</b>\n\n<iframe src=//e></iframe>'));
  assert.doesNotMatch(text, /href=(?:javascript|data)/i);
  assert.doesNotMatch(text, /<img|src=https/);
  assert.match(text, /href=https:\/\/t\.example\/p\.png/);
  const made = markdown('<iframe src=//e></iframe> <b>hi</b>').flat(9).flatMap((part) => part.strings ?? []).join('');
  assert.doesNotMatch(made, /iframe|<b>/);
});

test('event data is coloured by kind', () => {
  const text = written(colouredJson({ key: 'a "quoted" \\ value', n: -1.5e-7, yes: true, none: null }));
  assert.match(text, /class=json-k>"key":?</);
  assert.match(text, /class=json-n>-1\.5e-7</);
  assert.match(text, /class=json-b>true</);
  assert.match(text, /class=json-0>null</);
});

test('exported cells cannot run as formulas and quotes are doubled', () => {
  const csv = eventsCsv([{ at: '2026-11-22T10:00:00Z', type: 'info', message: '=HYPERLINK("x")', data: { a: 1 } }]);
  const [head, row] = csv.split('\r\n');
  assert.equal(head, 'timestamp,event_type,message,full_payload');
  assert.match(row, /"'=HYPERLINK\(""x""\)"/);
});

test('a file is refused before its upload with the reason', () => {
  assert.equal(fileProblem({ name: 'a.jsonl', size: 10 }), null);
  assert.match(fileProblem({ name: 'a.jsonl', size: 0 }), /empty/);
  assert.match(fileProblem({ name: 'a.csv', size: 10 }), /JSON Lines/);
  assert.match(fileProblem({ name: 'a.jsonl', size: 6e9 }), /larger than 5 GB/);
});

test('a dataset is named after its file', () => {
  assert.equal(nameFromFile('elena_morales-financial.jsonl'), 'Elena morales financial');
  assert.equal(nameFromFile('.jsonl'), 'Dataset');
});

test('the guide counts adapter weights and follows the schedule', () => {
  assert.equal(adapterWeights(16), 2 * adapterWeights(8));
  assert.equal(rateAt(0, 0.1), 0);
  assert.equal(rateAt(0.1, 0.1), 1);
  assert.ok(Math.abs(rateAt(1, 0.1)) < 1e-12);
});

test('the cost of a rented GPU goes on between two answers, and stands still without one', () => {
  const job = { cost: { accruing: true, spent_usd: '1.23', hourly_rate_usd: '2.49' } };
  assert.equal(spentNow(job, 1_000, 1_000), '1.23');
  assert.equal(spentNow(job, 1_000, 1_000 + 3_600_000), '3.72');
  assert.equal(spentNow({ cost: { ...job.cost, spent_usd: '0.0123' } }, 1_000, 1_000 + 36_000), '0.0372');
  assert.equal(spentNow(job, 0, 1e12), '1.23');
  assert.equal(spentNow({ cost: { ...job.cost, accruing: false } }, 1_000, 1e12), '1.23');
});
