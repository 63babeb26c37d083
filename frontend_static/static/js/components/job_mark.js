import { html } from '../shared/view.js';

/** Outlines around 0,0 that tell the jobs of a comparison apart without colour: circle, square, triangle, diamond. */
export const SHAPES = ['M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z', 'M-3.6-3.6H3.6V3.6H-3.6Z', 'M0-4.6L4.4 3.4H-4.4Z', 'M0-4.8L4.8 0L0 4.8L-4.8 0Z'];
export const COLOURS = ['--c1', '--c2', '--c3', '--c4'];
const NAMES = ['circle', 'square', 'triangle', 'diamond'];

/** @param {number} index of the job in the comparison */
export function jobMark(index) {
  return html`<svg class="mark mark-${index}" viewBox="-6 -6 12 12" role="img" aria-label="Marked by a ${NAMES[index]}"><path d=${SHAPES[index]}></path></svg>`;
}
