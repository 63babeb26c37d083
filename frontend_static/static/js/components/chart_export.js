import uPlot from 'uplot';
import { fileSafe } from '../shared/format.js';
import { colour } from './chart_colours.js';
import { saveBlob } from './save.js';

const WIDTH = 2000;
const HEIGHT = 1200;
const TOP = 130;
const SIDE = 60;
const BOTTOM = 60;

function drawFrame(pen, title, xLabel) {
  pen.fillStyle = colour('--text');
  pen.font = '600 40px Inter, system-ui';
  pen.fillText(title, SIDE, 62);
  pen.font = '26px Inter, system-ui';
  const keys = [['Training loss', '--c1', SIDE], ['Validation loss', '--c2', SIDE + 260]];
  for (const [label, name, x] of keys) {
    pen.fillStyle = colour(name);
    pen.fillRect(x, 92, 30, 6);
    pen.fillStyle = colour('--text-2');
    pen.fillText(label, x + 42, 104);
  }
  pen.textAlign = 'center';
  pen.fillText(xLabel, WIDTH / 2, HEIGHT - 18);
  for (const [label, x, turn] of [['Training loss', 34, -1], ['Validation loss', WIDTH - 34, 1]]) {
    pen.save();
    pen.translate(x, HEIGHT / 2);
    pen.rotate((turn * Math.PI) / 2);
    pen.fillText(label, 0, 0);
    pen.restore();
  }
}

/**
 * Saves the shown part of the chart as a 2000 × 1200 PNG with name, time and axis labels.
 * @param {import('./loss_chart.js').LossChart} chart
 * @param {string} jobName
 * @returns {Promise<string>} name of the file
 */
export async function exportPng(chart, jobName) {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const ratio = uPlot.pxRatio ?? devicePixelRatio;
  const [width, height] = [WIDTH - 2 * SIDE, HEIGHT - TOP - BOTTOM];
  const { options, data, range, xLabel } = chart.exportOptions(width / ratio, height / ratio, 2 / ratio);
  const plot = new uPlot(options, data, document.createElement('div'));
  plot.setScale('x', { min: range.min, max: range.max });
  await Promise.resolve();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const pen = canvas.getContext('2d');
  pen.fillStyle = colour('--surface');
  pen.fillRect(0, 0, WIDTH, HEIGHT);
  pen.drawImage(plot.ctx.canvas, SIDE, TOP, width, height);
  drawFrame(pen, `${jobName} · ${stamp.replace('T', ' ')} UTC`, xLabel);
  plot.destroy();
  const name = `${fileSafe(jobName)}-loss-curve-${stamp}.png`;
  saveBlob(await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); }), name);
  return name;
}
