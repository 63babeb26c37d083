import { html } from '../shared/view.js';

const INLINE = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*|_[^_\s][^_]*_)/g;

function inline(text) {
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    pieces.push(text.slice(at, match.index));
    const [whole, code, strong] = match;
    if (code) pieces.push(html`<code>${whole.slice(1, -1)}</code>`);
    else if (strong) pieces.push(html`<strong>${whole.slice(2, -2)}</strong>`);
    else pieces.push(html`<em>${whole.slice(1, -1)}</em>`);
    at = match.index + whole.length;
  }
  pieces.push(text.slice(at));
  return pieces;
}

function listBlock(lines) {
  const items = lines.map((line) => html`<li>${inline(line.replace(/^\s*(?:[-*]|\d+\.)\s+/, ''))}</li>`);
  return /^\s*\d/.test(lines[0]) ? html`<ol>${items}</ol>` : html`<ul>${items}</ul>`;
}

function proseBlock(block) {
  const lines = block.split('\n');
  if (lines.every((line) => /^\s*(?:[-*]|\d+\.)\s+/.test(line))) return listBlock(lines);
  const heading = /^#{1,6}\s+(.*)$/.exec(block);
  if (heading) return html`<p><strong>${inline(heading[1])}</strong></p>`;
  return html`<p>${lines.map((line, index) => html`${index ? html`<br>` : ''}${inline(line)}`)}</p>`;
}

/**
 * Notes as people write them: bold, italic, lists, code. Everything is put in as text, so no markup of a note is ever run.
 * @param {string} source
 */
export function markdown(source) {
  return source.split(/```[^\n]*\n?/).map((part, index) => {
    if (index % 2) return html`<pre class="code">${part.replace(/\n$/, '')}</pre>`;
    return part.split(/\n\s*\n/).map((block) => block.trim()).filter(Boolean).map(proseBlock);
  });
}
