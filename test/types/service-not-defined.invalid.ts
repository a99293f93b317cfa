// Fails with TS2353.
import { definitionOf } from '../../src/runtime/services/definition.js';

export const definition = definitionOf({ onEventNotification: () => {} });
