const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
const cardsOf = (host) => [...host.querySelectorAll('.q-card')];
const EASE = 'cubic-bezier(0.2, 0.8, 0.2, 1)';

/** Cards of jobs that leave fade out before the line closes. @param {Element} host @param {Set<string>} staying ids */
export async function fadeOthers(host, staying) {
  if (isStill()) return;
  const leaving = cardsOf(host).filter((card) => !staying.has(card.dataset.id));
  await Promise.all(leaving.map((card) => card.animate([{ opacity: 1, transform: 'none' }, { opacity: 0, transform: 'translateX(16px)' }], { duration: 320, easing: EASE, fill: 'forwards' }).finished));
}

/** @param {Element} host @returns {Map<string, {top: number, position: number}>} where each card is now */
export function places(host) {
  return new Map(cardsOf(host).map((card) => [card.dataset.id, { top: card.getBoundingClientRect().top, position: Number(card.dataset.position) }]));
}

/** Cards glide from where they were; one that moved up in the line lights up green, and its new place grows into sight. */
export function settleFrom(before, host) {
  if (isStill()) return;
  for (const card of cardsOf(host)) {
    const was = before.get(card.dataset.id);
    if (!was) {
      if (before.size) card.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 300 });
      continue;
    }
    const by = was.top - card.getBoundingClientRect().top;
    if (by) card.animate([{ transform: `translateY(${by}px)` }, { transform: 'none' }], { duration: 420, easing: EASE });
    if (!(Number(card.dataset.position) < was.position)) continue;
    card.animate([{ backgroundColor: 'var(--success-bg)' }, { backgroundColor: 'var(--success-bg)', offset: 0.5 }, {}], { duration: 1800, easing: 'ease-out' });
    card.querySelector('.q-pos').animate([{ transform: 'scale(0.6)' }, { transform: 'scale(1.18)' }, { transform: 'none' }], { duration: 600, easing: EASE });
  }
}
