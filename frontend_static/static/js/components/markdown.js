import { Lexer } from 'marked';
import { html, nothing } from '../shared/view.js';

const SAFE_LINK = /^(?:https?:|mailto:)/i;

/** Only addresses that open a page or a mail are links; anything else stays the text it is. */
function link(token) {
  const text = inline(token.tokens);
  if (!SAFE_LINK.test(token.href)) return html`${text}`;
  return html`<a class="link" href=${token.href} title=${token.title ?? nothing} rel="noopener noreferrer nofollow" target="_blank">${text}</a>`;
}

/** A picture would be fetched from a stranger's server, so its words and its address are shown instead. */
const image = (token) => link({ ...token, tokens: [{ type: 'text', text: token.text || token.href }] });

const INLINE = {
  strong: (token) => html`<strong>${inline(token.tokens)}</strong>`,
  em: (token) => html`<em>${inline(token.tokens)}</em>`,
  del: (token) => html`<del>${inline(token.tokens)}</del>`,
  codespan: (token) => html`<code>${token.text}</code>`,
  br: () => html`<br>`,
  checkbox: (token) => html`<span role="img" aria-label=${token.checked ? 'Done' : 'To do'}>${token.checked ? '☑' : '☐'}</span> `,
  link,
  image,
};

function inline(tokens = []) {
  return tokens.map((token) => INLINE[token.type]?.(token) ?? (token.tokens ? inline(token.tokens) : token.text ?? token.raw));
}

function list(token) {
  const items = token.items.map((item) => html`<li>${blocks(item.tokens)}</li>`);
  return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
}

function table(token) {
  const cells = (row, cell) => row.map((each) => cell(inline(each.tokens)));
  return html`<div class="table-scroll"><table class="table"><thead><tr>${cells(token.header, (text) => html`<th scope="col">${text}</th>`)}</tr></thead>
    <tbody>${token.rows.map((row) => html`<tr>${cells(row, (text) => html`<td>${text}</td>`)}</tr>`)}</tbody></table></div>`;
}

const BLOCK = {
  space: () => nothing,
  def: () => nothing,
  hr: () => html`<hr>`,
  // The page has headings of its own; one of a note must not stand among them.
  heading: (token) => html`<p><strong>${inline(token.tokens)}</strong></p>`,
  paragraph: (token) => html`<p>${inline(token.tokens)}</p>`,
  blockquote: (token) => html`<blockquote>${blocks(token.tokens)}</blockquote>`,
  code: (token) => html`<pre class="code">${token.text}</pre>`,
  list,
  table,
};

function blocks(tokens = []) {
  return tokens.map((token) => BLOCK[token.type]?.(token) ?? inline([token]));
}

/**
 * Notes in GitHub's Markdown. marked takes them apart; what it finds is put in as text, element by element, so that no
 * markup of a note ever becomes markup of the page.
 * @param {string} source
 */
export function markdown(source) {
  return blocks(new Lexer({ gfm: true, breaks: true }).lex(source));
}
