const ZOOM_STEP = 1.25;
const KEY_PAN = 0.1;

/**
 * Moves the horizontal range of a uPlot chart by mouse, wheel, fingers and keys, never beyond its data.
 * Drag zooms (uPlot's own), Shift-drag pans, Ctrl-wheel zooms anywhere and the plain wheel once the chart has focus;
 * one finger pans a zoomed chart, two fingers zoom it; arrows pan, + and - zoom, 0 shows everything.
 */
export class ChartGestures {
  /**
   * @param {HTMLElement} host takes the keyboard
   * @param {{plot: () => object|null, bounds: () => [number, number], minimumSpan: () => number, onReset?: () => void}} chart
   */
  constructor(host, { plot, bounds, minimumSpan, onReset = () => {} }) {
    this.host = host;
    this.plot = plot;
    this.bounds = bounds;
    this.minimumSpan = minimumSpan;
    this.onReset = onReset;
    this.fingers = new Map();
    host.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /** Listens to a new drawing. @param {HTMLElement} over uPlot's overlay */
  listen(over) {
    this.fingers.clear();
    over.addEventListener('wheel', (event) => this.#onWheel(event, over), { passive: false });
    over.addEventListener('mousedown', (event) => this.#onMouse(event, over), true);
    over.addEventListener('pointerdown', (event) => this.#onFinger(event, over));
    over.addEventListener('pointermove', (event) => this.#onFingerMove(event, over));
    for (const name of ['pointerup', 'pointercancel']) over.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
  }

  #range() {
    const { min, max } = this.plot().scales.x;
    return [min, max];
  }

  #isWhole() {
    const [min, max] = this.#range();
    const [first, last] = this.bounds();
    return min <= first && max >= last;
  }

  #onWheel(event, over) {
    const isPinch = event.ctrlKey || event.metaKey; // a pinch on a touchpad arrives as a wheel with Ctrl
    if (!isPinch && document.activeElement !== this.host) return; // the page scrolls until someone chose the chart
    if (!isPinch && event.deltaY > 0 && this.#isWhole()) return;
    event.preventDefault();
    this.zoom(event.deltaY < 0 ? 1 / ZOOM_STEP : ZOOM_STEP, event.offsetX / over.clientWidth);
  }

  #onMouse(event, over) {
    if (!event.shiftKey) return;
    event.stopImmediatePropagation();
    const [min, max] = this.#range();
    const perPixel = (max - min) / over.clientWidth;
    const move = (moved) => {
      const by = (event.clientX - moved.clientX) * perPixel;
      this.show(min + by, max + by);
    };
    const end = () => {
      removeEventListener('mousemove', move);
      removeEventListener('mouseup', end);
    };
    addEventListener('mousemove', move);
    addEventListener('mouseup', end);
  }

  #onFinger(event, over) {
    if (event.pointerType !== 'touch') return;
    this.fingers.set(event.pointerId, event.clientX);
    this.start = { range: this.#range(), at: [...this.fingers.values()], left: over.getBoundingClientRect().left };
  }

  #onFingerMove(event, over) {
    if (!this.fingers.has(event.pointerId) || !this.plot()) return;
    this.fingers.set(event.pointerId, event.clientX);
    const { range: [min, max], at, left } = this.start;
    const now = [...this.fingers.values()];
    if (now.length !== at.length || (now.length === 1 && this.#isWhole())) return;
    // What lay under each finger at the start stays under it.
    const value = (x) => min + ((x - left) / over.clientWidth) * (max - min);
    const apart = now.length > 1 ? Math.abs(now[1] - now[0]) : 0;
    const before = now.length > 1 ? Math.abs(at[1] - at[0]) : 0;
    const span = apart > 8 && before > 8 ? (max - min) * (before / apart) : max - min;
    const middle = (points) => points.reduce((sum, x) => sum + x, 0) / points.length;
    const from = value(middle(at)) - ((middle(now) - left) / over.clientWidth) * span;
    this.show(from, from + span);
  }

  #onKey(event) {
    const actions = {
      ArrowLeft: () => this.pan(-KEY_PAN), ArrowRight: () => this.pan(KEY_PAN), 0: () => this.reset(),
      '+': () => this.zoom(1 / ZOOM_STEP), '=': () => this.zoom(1 / ZOOM_STEP), '-': () => this.zoom(ZOOM_STEP),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.target !== this.host) return;
    event.preventDefault();
    actions[event.key]();
  }

  /** Shows a range of x, moved and cut to the data. @param {number} min @param {number} max */
  show(min, max) {
    const [first, last] = this.bounds();
    const span = Math.min(max - min, last - first);
    if (span < this.minimumSpan()) return;
    const from = Math.max(first, Math.min(min, last - span));
    this.plot().setScale('x', { min: from, max: from + span });
  }

  /** @param {number} factor below 1 zooms in @param {number} [centre] 0 to 1 across the chart */
  zoom(factor, centre = 0.5) {
    if (!this.plot()) return;
    const [min, max] = this.#range();
    const middle = min + (max - min) * centre;
    this.show(middle - (middle - min) * factor, middle + (max - middle) * factor);
  }

  /** @param {number} share of the width shown, negative to the left */
  pan(share) {
    if (!this.plot()) return;
    const [min, max] = this.#range();
    this.show(min + (max - min) * share, max + (max - min) * share);
  }

  /** Shows everything. */
  reset() {
    if (!this.plot()) return;
    this.onReset();
    const [min, max] = this.bounds();
    this.plot().setScale('x', { min, max });
  }
}
