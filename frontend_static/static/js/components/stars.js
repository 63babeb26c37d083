import { html, icon } from '../shared/view.js';

/** @param {number} stars 0 to 5 in half steps */
export function starRating(stars) {
  const one = (index) => {
    if (stars >= index) return icon('star', 'sm full');
    if (stars >= index - 0.5) return html`<span class="half">${icon('star', 'sm')}${icon('star', 'sm')}</span>`;
    return icon('star', 'sm empty-star');
  };
  return html`<span class="stars" role="img" aria-label="${stars} of 5 stars">${[1, 2, 3, 4, 5].map(one)}</span>`;
}
