// Fails with TS2353.
import { definitionOf } from '../../src/runtime/definition.js';

export const definition = definitionOf({ onEventNotification: () => {} });
