import { CALLBACKS } from './callback-target.js';
import type { FuzzTarget } from './fuzz-target.js';
import { PARSERS } from './parser-targets.js';
import { RECORD_READERS } from './record-targets.js';

/** All that inputs are given to. */
export const TARGETS: readonly FuzzTarget[] = [...PARSERS, ...RECORD_READERS, ...CALLBACKS];
