/**
 * Draws progress as a ring in the tab's icon.
 * @param {number} percent 0 to 100
 */
export function showProgressIcon(percent) {
  const around = 2 * Math.PI * 9;
  const filled = (around * Math.max(0, Math.min(100, percent))) / 100;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9" fill="none" stroke="#9a9aac" stroke-opacity=".4" stroke-width="5"/>`
    + `<circle cx="12" cy="12" r="9" fill="none" stroke="#5b57e0" stroke-width="5" stroke-dasharray="${filled} ${around}" transform="rotate(-90 12 12)"/></svg>`;
  setIcon(`data:image/svg+xml,${encodeURIComponent(svg)}`);
}

/** Brings the product's icon back. */
export function showPlainIcon() {
  setIcon('/favicon.svg');
}

function setIcon(href) {
  const link = document.querySelector('link[rel="icon"]');
  if (link && link.getAttribute('href') !== href) link.setAttribute('href', href);
}
