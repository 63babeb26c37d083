import assert from 'node:assert/strict';
import { test } from 'node:test';
import { criticalWord, pinnedOrder, timelineItems } from '../../../frontend_static/static/js/components/event_timeline.js';
import { chosenRange } from '../../../frontend_static/static/js/components/export_log_dialog.js';
import { pageNumbers } from '../../../frontend_static/static/js/components/pagination.js';

const event = (id, at, type = 'status', more = {}) => ({ id: String(id), at: `2026-11-22T${at}Z`, type, message: '', data: {}, ...more });
const kinds = (items) => items.map((item) => (item.kind === 'run' ? `run ${item.events.length}` : item.kind === 'gap' ? `gap ${item.seconds}` : item.kind));

test('silence of five minutes stands between its neighbours, in either order', () => {
  const events = [event(1, '10:00:00'), event(2, '10:04:59'), event(3, '12:18:59')];
  assert.deepEqual(kinds(timelineItems(events)), ['day', 'event', 'event', 'gap 8040', 'event']);
  assert.deepEqual(kinds(timelineItems([...events].reverse())), ['day', 'event', 'gap 8040', 'event', 'event']);
});

test('three metrics lines in a row are one node, two are not, and silence ends a row', () => {
  const metrics = (id, at) => event(id, at, 'metrics');
  assert.deepEqual(kinds(timelineItems([metrics(1, '10:00:00'), metrics(2, '10:00:05'), metrics(3, '10:00:10'), event(4, '10:00:11')])), ['day', 'run 3', 'event']);
  assert.deepEqual(kinds(timelineItems([metrics(1, '10:00:00'), metrics(2, '10:00:05'), event(4, '10:00:11')])), ['day', 'event', 'event', 'event']);
  assert.deepEqual(kinds(timelineItems([metrics(1, '10:00:00'), metrics(2, '10:00:05'), metrics(3, '10:10:05')])), ['day', 'event', 'event', 'gap 600', 'event']);
});

test('a new day has its heading', () => {
  const items = timelineItems([event(1, '23:59:00'), { ...event(2, '00:01:00'), at: '2026-11-23T00:01:00Z' }]);
  assert.deepEqual(kinds(items), ['day', 'event', 'day', 'event']);
});

test('errors, lost GPUs and spend caps are critical, other warnings come after them', () => {
  const error = event(1, '10:00:00', 'error');
  const slow = event(4, '10:03:00', 'warning');
  const lost = event(3, '10:02:00', 'warning', { data: { recovery: 1 } });
  const capped = event(2, '10:01:00', 'status', { data: { end_reason: 'spend_cap' } });
  assert.deepEqual([error, slow, lost, capped].map(criticalWord), ['Error', null, 'Lost GPU', 'Spend cap']);
  assert.deepEqual(pinnedOrder([error, slow, lost, capped]).map((one) => one.id), ['3', '2', '1', '4']);
});

test('an export includes both ends of its range, the last minute whole', () => {
  assert.deepEqual(chosenRange('2026-11-22T10:00', '2026-11-22T10:30'), { from: '2026-11-22T10:00:00.000Z', to: '2026-11-22T10:30:59.999Z', problem: null });
  assert.deepEqual(chosenRange('', ''), { from: null, to: null, problem: null });
  assert.equal(chosenRange('2026-11-22T10:31', '2026-11-22T10:30').problem, 'The end is before the beginning.');
  assert.equal(chosenRange('2026-11-22T10:30', '2026-11-22T10:30').problem, null);
});

test('page numbers keep the ends and the neighbours and never hide a single page', () => {
  assert.deepEqual(pageNumbers(3, 42), [1, 2, 3, 4, null, 42]);
  assert.deepEqual(pageNumbers(4, 42), [1, 2, 3, 4, 5, null, 42]);
  assert.deepEqual(pageNumbers(20, 42), [1, null, 19, 20, 21, null, 42]);
  assert.deepEqual(pageNumbers(42, 42), [1, null, 41, 42]);
  assert.deepEqual(pageNumbers(1, 1), [1]);
});
