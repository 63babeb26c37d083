// Runs as a classic script before first paint, so that a chosen theme never flashes the other one.
const stored = localStorage.getItem('lp.theme');
if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
// A mailed link is opened without a sign-in too: that page then shows no navigation, from its first paint on.
if (!sessionStorage.getItem('lp.session') && !localStorage.getItem('lp.session')) document.documentElement.dataset.guest = '';
// What only managers see is there from the first paint too, so that nothing moves when the page's own script comes.
const session = JSON.parse(sessionStorage.getItem('lp.session') ?? localStorage.getItem('lp.session') ?? 'null');
if (['manager', 'admin', 'owner'].includes(session?.user?.role)) document.documentElement.dataset.manager = '';
