/// <reference types="reflect-metadata" />
import { onDemand } from '../../on-demand.js';

// If the application loaded a copy before, that copy stays in use.
onDemand('reflect-metadata');

/** Reads metadata of a class or object itself. */
export function ownMetadata(key: string | symbol, target: object): unknown {
  return Reflect.getOwnMetadata(key, target);
}

/** Reads metadata of a class, or of the nearest base class that has it. */
export function inheritedMetadata(key: string | symbol, target: object): unknown {
  return Reflect.getMetadata(key, target);
}

export function setMetadata(key: string | symbol, value: unknown, target: object): void {
  Reflect.defineMetadata(key, value, target);
}
