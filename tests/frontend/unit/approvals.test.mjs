import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, statusBadge } from '../../../frontend_static/static/js/components/approval_kinds.js';
import { clockOf } from '../../../frontend_static/static/js/components/queue_estimate.js';
import { hasRole, writeSession } from '../../../frontend_static/static/js/shared/session.js';

test('an unknown kind is named and listed by its own words', () => {
  const kind = kindOf('quota_increase');
  const approval = { subject: 'usr_1', asked: { amount_usd: '12.5', open_jobs: 1234, ratio: 0.5, is_urgent: true, note: '', nested: {}, reason: 'Because.' }, outcome: { limit_usd: '50.00' } };
  assert.equal(kind.title, 'Quota increase request');
  assert.deepEqual(kind.facts(approval), [['Amount', '$12.50'], ['Open jobs', '1,234'], ['Ratio', '0.5'], ['Is urgent', 'Yes']]);
  assert.equal(kind.text(approval), 'Because.');
  assert.equal(kind.outcome(approval), 'Limit: 50.00');
});

test('a status that is new still has a word', () => {
  assert.equal(statusBadge('pending').label, 'Open');
  assert.equal(statusBadge('put_on_hold').label, 'Put on hold');
});

test('what is left is counted by the reply, whatever the browser’s clock says', () => {
  const clock = clockOf({ next_job: { estimated_start_at: '2026-11-22T10:50:00Z', starts_in_seconds: 300 } }, Date.now() - 60_000);
  assert.ok(Math.abs(clock.nowMs() - Date.parse('2026-11-22T10:46:00Z')) < 2_000);
  assert.ok(Math.abs(clock.left({ starts_in_seconds: 120 }) - 60) < 2);
  assert.equal(clock.left({ starts_in_seconds: 30 }), 0);
});

test('a role covers those below it, and nobody has one before that is known', () => {
  assert.equal(hasRole('manager'), false);
  writeSession({ access_token: 'x', user: { role: 'admin' } });
  assert.deepEqual(['manager', 'admin', 'owner'].map(hasRole), [true, true, false]);
});
