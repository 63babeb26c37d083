/** The dialogs of one job under the names of their actions, fetched as one piece when first needed. */
export { openCancelDialog as cancel } from './cancel_dialog.js';
export { openPauseDialog as pause } from './pause_dialog.js';
export { openResumeDialog as resume } from './resume_dialog.js';
export { openRetryDialog as retry } from './retry_dialog.js';
