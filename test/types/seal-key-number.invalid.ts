// Fails with TS2322.
import type { StartOptions } from '../../src/runtime/config/start-options.js';

export const options: StartOptions = { security: { sealKey: 32 } };
