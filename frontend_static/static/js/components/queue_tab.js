import { get } from '../shared/api.js';
import { html, mount, notice } from '../shared/view.js';

/**
 * The queue's tab of the jobs page: what it shows is fetched when it is first opened; its badge counts whoever waits.
 * @param {Element} host
 * @param {{refresh: () => void, paint: () => void}} page
 */
export function queueTab(host, page) {
  let view = null;
  const tab = {
    /** How many wait; undefined until that is known. */
    depth: undefined,
    /** The numbers of the other tabs, for a visit that begins here. */
    others: undefined,
    async load(signal) {
      if (!view) countOthers();
      const { openQueue } = await import('./queue_view.js');
      view ??= openQueue(host, { refresh: page.refresh, onDepth: show });
      return view.load(signal);
    },
    fail(error) {
      if (view) view.fail(error);
      else mount(host, html`${notice(error.message, page.refresh)}`);
    },
    /** A narrowed list does not know the whole queue: the last number stays then, or is asked for once. */
    async count(counts, isWhole) {
      if (isWhole) tab.depth = (counts.status.queued ?? 0) + (counts.status.provisioning ?? 0);
      if (tab.depth !== undefined) return;
      try {
        const { queued, provisioning } = await get('/queue');
        show(queued.length + provisioning.length);
      } catch {
        // The badge stays without a number; the tab itself says what is wrong.
      }
    },
  };
  async function countOthers() {
    try {
      tab.others = (await get('/jobs?limit=25')).counts.tab;
      page.paint();
    } catch {
      // The tabs stay without their numbers until the list is opened.
    }
  }

  function show(depth) {
    tab.depth = depth;
    page.paint();
  }
  return tab;
}
