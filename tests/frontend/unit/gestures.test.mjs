import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChartGestures } from '../../../frontend_static/static/js/components/chart_gestures.js';
import { stageNews } from '../../../frontend_static/static/js/components/stages.js';

function chart(minimumSpan = 4) {
  const plot = { scales: { x: { min: 0, max: 100 } }, setScale: (name, range) => Object.assign(plot.scales[name], range) };
  const host = new EventTarget();
  const over = Object.assign(new EventTarget(), { clientWidth: 100, getBoundingClientRect: () => ({ left: 0 }) });
  const gestures = new ChartGestures(host, { plot: () => plot, bounds: () => [0, 100], minimumSpan: () => minimumSpan });
  gestures.listen(over);
  const finger = (type, pointerId, clientX) => over.dispatchEvent(Object.assign(new Event(type), { pointerId, clientX, pointerType: 'touch' }));
  return { gestures, finger, shown: () => [plot.scales.x.min, plot.scales.x.max] };
}

test('a range is kept inside the data and no smaller than asked', () => {
  const { gestures, shown } = chart();
  gestures.show(-20, 30);
  assert.deepEqual(shown(), [0, 50]);
  gestures.show(80, 130);
  assert.deepEqual(shown(), [50, 100]);
  gestures.show(10, 12);
  assert.deepEqual(shown(), [50, 100]);
  gestures.reset();
  assert.deepEqual(shown(), [0, 100]);
});

test('zooming keeps its centre in place', () => {
  const { gestures, shown } = chart();
  gestures.zoom(0.5, 0.25);
  assert.deepEqual(shown(), [12.5, 62.5]);
});

test('two fingers that move apart zoom in about the place between them', () => {
  const { finger, shown } = chart();
  finger('pointerdown', 1, 40);
  finger('pointerdown', 2, 60);
  finger('pointermove', 1, 30);
  finger('pointermove', 2, 70);
  assert.deepEqual(shown(), [25, 75]);
});

test('one finger pans a zoomed chart and leaves a whole one to the page', () => {
  const { gestures, finger, shown } = chart();
  finger('pointerdown', 1, 50);
  finger('pointermove', 1, 20);
  assert.deepEqual(shown(), [0, 100]);
  finger('pointerup', 1, 20);
  gestures.show(40, 60);
  finger('pointerdown', 1, 50);
  finger('pointermove', 1, 100);
  assert.deepEqual(shown(), [30, 50]);
});

const stages = (...states) => ['Preprocessing', 'Model Loading', 'Training', 'Finalization'].map((label, index) => ({ label, state: states[index] ?? 'pending' }));

test('a stage that ended is told with the one that began', () => {
  assert.equal(stageNews(stages('completed', 'active'), stages('completed', 'completed', 'active')), 'Training stage updated: Model loading complete, training started');
  assert.equal(stageNews(stages('active'), stages('completed', 'completed', 'active')), 'Training stage updated: Model loading complete, training started');
  assert.equal(stageNews(stages('completed'), stages('completed', 'active')), null);
});
