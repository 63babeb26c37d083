import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as format from '../../../frontend_static/static/js/shared/format.js';
import { writeSession } from '../../../frontend_static/static/js/shared/session.js';

test('money shows cents, and more digits below one cent', () => {
  assert.equal(format.usd('1234.5'), '$1,234.50');
  assert.equal(format.usd('0.0042'), '$0.0042');
  assert.equal(format.usd('0'), '$0.00');
  assert.equal(format.usd('-2.21'), '−$2.21');
  assert.equal(format.usd(null), '–');
});

test('durations change unit at an hour and at a day', () => {
  assert.equal(format.duration(45.9), '45s');
  assert.equal(format.duration(135), '2m 15s');
  assert.equal(format.duration(3599), '59m 59s');
  assert.equal(format.duration(4980), '1h 23m');
  assert.equal(format.duration(86400 + 5 * 3600), '1d 5h');
  assert.equal(format.duration(-3), '0s');
  assert.equal(format.duration(undefined), '–');
});

test('durations are spoken in whole words', () => {
  assert.equal(format.spokenDuration(222), '3 minutes 42 seconds');
  assert.equal(format.spokenDuration(61), '1 minute 1 second');
});

test('ranges below an hour are told in minutes', () => {
  assert.equal(format.hoursRange({ low: 0.05, high: 0.1 }), '3 – 6 min');
  assert.equal(format.hoursRange({ low: 0.001, high: 0.002 }), '1 min');
  assert.equal(format.hoursRange({ low: 2.1, high: 3 }), '2.1 – 3.0 h');
});

test('sizes use decimal units', () => {
  assert.equal(format.bytes(900), '900 B');
  assert.equal(format.bytes(1834221), '1.8 MB');
  assert.equal(format.bytes(84e6), '84.0 MB');
  assert.equal(format.bytes(5e9), '5.0 GB');
});

test('learning rates keep their meaning at every size', () => {
  assert.equal(format.learningRate(0.000182), '0.000182');
  assert.equal(format.learningRate(1.5e-7), '1.50e-7');
  assert.equal(format.learningRate(0), '0');
});

test('times are shown in the zone of the person with its offset', () => {
  writeSession({ access_token: 't', user: { time_zone: 'Asia/Kolkata' } }, false);
  assert.equal(format.dateTime('2026-11-22T20:05:09Z'), '2026-11-23 01:35');
  assert.equal(format.dateTimeWithZone('2026-11-22T20:05:09Z'), '2026-11-23 01:35:09 (UTC+5:30)');
  assert.equal(format.utc('2026-11-22T20:05:09Z'), '2026-11-22 20:05:09 UTC');
});

test('an unknown zone falls back instead of failing', () => {
  writeSession({ access_token: 't', user: { time_zone: 'Mars/Olympus' } }, false);
  assert.match(format.dateTime('2026-11-22T20:05:09Z'), /^2026-11-2[23] \d\d:\d\d$/);
});

test('relative times read as people say them', () => {
  const now = Date.parse('2026-11-22T12:00:00Z');
  assert.equal(format.ago('2026-11-22T11:58:00Z', now), '2 minutes ago');
  assert.equal(format.ago('2026-11-22T12:00:01Z', now), 'just now');
  assert.equal(format.ago('2026-11-21T11:00:00Z', now), 'yesterday');
});

test('initials take the first and the last name', () => {
  assert.equal(format.initials('Dana Maria Reyes'), 'DR');
  assert.equal(format.initials(''), '?');
});

test('file names drop what file systems refuse', () => {
  assert.equal(format.fileSafe(' Elena / Balanced: 1 '), 'Elena-Balanced-1');
  assert.equal(format.fileSafe('///'), 'job');
});

test('an upcoming time is told by the days of the person’s calendar', () => {
  writeSession({ access_token: 'x', user: { time_zone: 'UTC' } });
  const now = Date.parse('2026-12-16T23:30:00Z');
  assert.equal(format.upcoming('2026-12-16T23:45:00Z', now), 'Today at 11:45 PM');
  assert.equal(format.upcoming('2026-12-17T00:05:00Z', now), 'Tomorrow at 12:05 AM');
  assert.equal(format.upcoming('2026-12-17T23:59:00Z', now), 'Tomorrow at 11:59 PM');
  assert.equal(format.upcoming('2026-12-18T14:15:00Z', now), 'Friday, Dec 18 at 2:15 PM');
  assert.equal(format.upcoming(null), '–');
  writeSession({ access_token: 'x', user: { time_zone: 'America/Los_Angeles' } });
  assert.equal(format.upcoming('2026-12-17T00:05:00Z', now), 'Today at 4:05 PM');
});

test('the day after a change of the clocks is still tomorrow', () => {
  writeSession({ access_token: 'x', user: { time_zone: 'Europe/Lisbon' } });
  assert.equal(format.upcoming('2026-10-25T23:30:00Z', Date.parse('2026-10-24T00:30:00Z')), 'Tomorrow at 11:30 PM');
});

test('a countdown names two units and never less than a minute', () => {
  assert.equal(format.countdown(12_000), 'in ~3 hours 20 minutes');
  assert.equal(format.countdown(3_600), 'in ~1 hour');
  assert.equal(format.countdown(61), 'in ~1 minute');
  assert.equal(format.countdown(20), 'in less than a minute');
  assert.equal(format.countdown(100_800), 'in ~1 day 4 hours');
  assert.equal(format.aboutDuration(64_800), '18 hours');
});
