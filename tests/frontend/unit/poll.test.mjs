import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextDelaySeconds, startPolling } from '../../../frontend_static/static/js/shared/poll.js';

/** A page that can be hidden, and timers that run only when told. */
function stage() {
  const page = new EventTarget();
  page.hidden = false;
  const waiting = new Map();
  let last = 0;
  const timers = {
    set(callback, milliseconds) {
      last += 1;
      waiting.set(last, { callback, milliseconds });
      return last;
    },
    clear: (handle) => waiting.delete(handle),
  };
  return {
    page,
    timers,
    waiting,
    async fire() {
      const [handle, { callback }] = [...waiting][0];
      waiting.delete(handle);
      await callback();
    },
    async hide(hidden) {
      page.hidden = hidden;
      page.dispatchEvent(new Event('visibilitychange'));
      await settle();
    },
  };
}

const settle = () => new Promise((resolve) => { setImmediate(resolve); });
const seconds = (s) => [...s.waiting.values()].map((timer) => timer.milliseconds / 1000);

test('the delay doubles with every failure and is capped', () => {
  const middle = () => 0.5;
  assert.equal(nextDelaySeconds(5, 0, middle), 5);
  assert.equal(nextDelaySeconds(5, 2, middle), 20);
  assert.equal(nextDelaySeconds(5, 30, middle), 60);
});

test('the delay is spread by a tenth to each side', () => {
  assert.equal(nextDelaySeconds(10, 0, () => 0), 9);
  assert.ok(Math.abs(nextDelaySeconds(10, 0, () => 1) - 11) < 1e-9);
});

test('it looks at once and then after the delay the answer asks for', async () => {
  const s = stage();
  let looks = 0;
  startPolling({ ...s, intervalSeconds: 5, tick: async () => { looks += 1; return { afterSeconds: 2 }; } });
  await settle();
  assert.equal(looks, 1);
  assert.ok(seconds(s)[0] >= 1.8 && seconds(s)[0] <= 2.2);
  await s.fire();
  assert.equal(looks, 2);
});

test('it stops when the answer says so', async () => {
  const s = stage();
  startPolling({ ...s, intervalSeconds: 5, tick: async () => ({ stop: true }) });
  await settle();
  assert.equal(s.waiting.size, 0);
});

test('a hidden tab does not look, and looks at once when shown again', async () => {
  const s = stage();
  let looks = 0;
  startPolling({ ...s, intervalSeconds: 5, tick: async () => { looks += 1; } });
  await settle();
  await s.hide(true);
  assert.equal(s.waiting.size, 0);
  await s.hide(false);
  assert.equal(looks, 2);
});

test('a failure is reported and backs off; a success starts over', async () => {
  const s = stage();
  const states = [];
  let failing = true;
  startPolling({ ...s, intervalSeconds: 5, onState: (state) => states.push(state), tick: async () => { if (failing) throw new Error('no network'); } });
  await settle();
  await s.fire();
  assert.ok(seconds(s)[0] >= 18);
  assert.equal(states.at(-1).error.message, 'no network');
  failing = false;
  await s.fire();
  assert.ok(seconds(s)[0] <= 5.5);
  assert.equal(states.at(-1).error, null);
});

test('a new look aborts the one under way and its late answer is dropped', async () => {
  const s = stage();
  const signals = [];
  const answers = [];
  const states = [];
  const poller = startPolling({
    ...s,
    intervalSeconds: 5,
    onState: (state) => states.push(state),
    tick: (signal) => new Promise((resolve) => { signals.push(signal); answers.push(resolve); }),
  });
  poller.refresh();
  assert.equal(signals[0].aborted, true);
  answers[0]({ stop: true });
  answers[1]({});
  await settle();
  assert.equal(s.waiting.size, 1);
  assert.equal(states.filter((state) => !state.busy).length, 1);
});
