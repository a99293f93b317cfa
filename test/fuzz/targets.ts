import { CALLBACKS } from './callback-target.js';
import type { FuzzTarget } from './fuzz-target.js';
import { PARSERS } from './parser-targets.js';
import { RECORD_READERS } from './record-targets.js';

/** All targets. Fast ones come first, because they leave some of their time to the others. */
export const TARGETS: readonly FuzzTarget[] = [...RECORD_READERS, ...PARSERS, ...CALLBACKS];
