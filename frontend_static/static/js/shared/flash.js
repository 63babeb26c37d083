import { noChange } from 'lit-html';
import { Directive, directive } from 'lit-html/directive.js';

const FLASH = { frames: { backgroundColor: ['var(--info-bg)', 'var(--info-bg)', 'transparent'] }, milliseconds: 1400 };
const CHEER = { frames: { backgroundColor: ['var(--info-bg)', 'var(--success-bg)', 'transparent'], transform: ['none', 'scale(1.025)', 'none'] }, milliseconds: 1800 };
const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

class OnChange extends Directive {
  update(part, [value, isShown, motion]) {
    const isNew = 'last' in this && this.last !== value;
    this.last = value;
    if (isNew && isShown(value) && !isStill()) part.element.animate(motion.frames, { duration: motion.milliseconds, easing: 'ease-out' });
    return noChange;
  }

  render() {
    return noChange;
  }
}

const onChange = directive(OnChange);

/** Highlights an element for a moment when its value is another than before. @param {unknown} value */
export const flash = (value) => onChange(value, () => true, FLASH);

/** A stage that has just been completed fades from blue to green. @param {string} state of a stage */
export const cheer = (state) => onChange(state, (now) => now === 'completed', CHEER);
