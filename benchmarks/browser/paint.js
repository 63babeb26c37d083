/** Paints curves in turns: the chart of the job page, and the library underneath it as it comes. */
import bare from 'uplot-as-published';
import { bounded } from '../../frontend_static/static/js/components/series.js';
import { LossChart } from '../../frontend_static/static/js/components/loss_chart.js';

const WIDTH = 860;
const HEIGHT = 336;

function curve(length) {
  let seed = 7;
  const chance = () => { seed = (seed * 16807) % 2147483647; return seed / 2147483647; };
  const step = Array.from({ length }, (_, index) => index + 1);
  const training_loss = step.map((at) => 0.4 + 2.1 * Math.exp((-9 * at) / length) + (chance() - 0.5) / 5 + (chance() < 0.001 ? 3 : 0));
  const flat = (value) => step.map(() => value);
  return {
    step, training_loss, validation_loss: step.map((at) => (at % 500 ? null : 0.5 + 2 * Math.exp((-9 * at) / length))),
    learning_rate: flat(1e-4), grad_norm: flat(0.5), tokens_per_second: flat(1900), gpu_utilization: flat(95), gpu_memory_gb: flat(68),
    cost_usd: step.map((at) => at * 0.0002),
  };
}

function places() {
  const host = document.createElement('div');
  const area = document.createElement('div');
  Object.assign(host.style, { width: `${WIDTH + 16}px`, height: '348px' });
  host.append(area);
  document.body.replaceChildren(host);
  return { host, area };
}

/** Until the pixels are there: reading one back makes the browser finish what was drawn. */
async function timed(work) {
  const begun = performance.now();
  const context = work();
  await Promise.resolve();
  await Promise.resolve();
  context().getImageData(300, 300, 1, 1);
  return performance.now() - begun;
}

async function ours(series) {
  const { host, area } = places();
  const chart = new LossChart(host, area);
  const taken = await timed(() => {
    chart.update(bounded(series));
    return () => chart.plot.ctx;
  });
  return { chart, taken };
}

async function peer(series) {
  const { area } = places();
  const line = { width: 2, points: { show: false } };
  const options = {
    width: WIDTH, height: HEIGHT, scales: { x: { time: false } },
    series: [{}, { ...line, stroke: '#3f7bf0' }, { ...line, stroke: '#e3a91e', spanGaps: true, points: { show: true } }],
  };
  let plot = null;
  const taken = await timed(() => {
    plot = new bare(options, [series.step, series.training_loss, series.validation_loss], area);
    return () => plot.ctx;
  });
  plot.destroy();
  return taken;
}

/** A point arrives: the page appends it and the chart is drawn again. */
async function live(chart, series) {
  const grown = bounded(series);
  for (const name of Object.keys(grown)) grown[name].push(name === 'step' ? grown.step.at(-1) + 1 : grown[name].at(-1));
  const taken = await timed(() => {
    chart.update(grown);
    return () => chart.plot.ctx;
  });
  return taken;
}

/** @returns {Promise<object[]>} one row of milliseconds a round; the first is thrown away by the caller */
globalThis.paint = async (rounds) => {
  const [small, large] = [curve(10_000), curve(100_000)];
  const rows = [];
  for (let round = 0; round < rounds; round += 1) {
    // Who goes first pays for what the round before left behind, so they take turns in that too.
    const row = {};
    if (round % 2) Object.assign(row, { peer: await peer(small), peerLarge: await peer(large) });
    const first = await ours(small);
    row.ours = first.taken;
    row.live = await live(first.chart, small);
    first.chart.plot.destroy();
    const second = await ours(large);
    row.oursLarge = second.taken;
    second.chart.plot.destroy();
    if (round % 2 === 0) Object.assign(row, { peer: await peer(small), peerLarge: await peer(large) });
    rows.push(row);
    for (const name of Object.keys(small)) small[name].length = 10_000;
  }
  return rows;
};
