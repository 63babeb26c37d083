// Runs as a classic script before first paint, so that a chosen theme never flashes the other one.
const stored = localStorage.getItem('lp.theme');
if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
