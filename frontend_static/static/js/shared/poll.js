const MAXIMUM_BACKOFF_SECONDS = 60;

/**
 * Delay before the next try: doubled with every failure in a row, capped, and spread by ±10 % so that many
 * open pages do not call at the same moment.
 * @param {number} intervalSeconds
 * @param {number} failures in a row
 * @param {() => number} [random] 0 to 1
 * @returns {number} seconds
 */
export function nextDelaySeconds(intervalSeconds, failures, random = Math.random) {
  const base = Math.min(Math.max(MAXIMUM_BACKOFF_SECONDS, intervalSeconds), intervalSeconds * 2 ** failures);
  return base * (0.9 + random() * 0.2);
}

/**
 * The one poller of the site. `tick` gets an abort signal and returns what to do next:
 * `{stop: true}` ends polling, `{afterSeconds}` sets the next delay, nothing keeps the interval.
 * A hidden tab does not poll; it catches up as soon as it is shown again.
 *
 * @param {object} options
 * @param {(signal: AbortSignal) => Promise<{stop?: boolean, afterSeconds?: number}|void>} options.tick
 * @param {number} options.intervalSeconds
 * @param {(state: {busy: boolean, error: Error|null}) => void} [options.onState]
 * @param {EventTarget & {hidden: boolean}} [options.page] the document
 * @param {{set: Function, clear: Function}} [options.timers]
 * @returns {{refresh: () => Promise<void>, stop: () => void}}
 */
export function startPolling({ tick, intervalSeconds, onState = () => {}, page = document, timers = browserTimers }) {
  let failures = 0;
  let timer = null;
  let running = null;
  let stopped = false;

  function schedule(seconds) {
    timers.clear(timer);
    if (stopped || page.hidden) return;
    timer = timers.set(run, nextDelaySeconds(seconds, failures) * 1000);
  }

  async function run() {
    if (stopped || page.hidden) return;
    running?.abort();
    const own = new AbortController();
    running = own;
    timers.clear(timer);
    onState({ busy: true, error: null });
    let seconds = intervalSeconds;
    try {
      const outcome = (await tick(own.signal)) ?? {};
      if (running !== own) return;
      failures = 0;
      stopped ||= Boolean(outcome.stop);
      seconds = outcome.afterSeconds ?? intervalSeconds;
      onState({ busy: false, error: null });
    } catch (error) {
      if (running !== own || error.name === 'AbortError') return;
      failures += 1;
      onState({ busy: false, error });
    }
    running = null;
    schedule(seconds);
  }

  function onVisibility() {
    if (page.hidden) {
      timers.clear(timer);
    } else {
      run();
    }
  }

  page.addEventListener('visibilitychange', onVisibility);
  run();
  return {
    refresh() {
      stopped = false;
      return run();
    },
    stop() {
      stopped = true;
      timers.clear(timer);
      running?.abort();
      page.removeEventListener('visibilitychange', onVisibility);
    },
  };
}

const browserTimers = {
  set: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clear: (handle) => clearTimeout(handle),
};
