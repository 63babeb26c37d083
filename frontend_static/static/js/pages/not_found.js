import { startShell } from '../shared/shell.js';

startShell();
