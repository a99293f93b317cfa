/// <reference types="reflect-metadata" />
import { onDemand } from '../../on-demand.js';

// Keeps a copy that was loaded before it.
onDemand('reflect-metadata');

/** Metadata of a class or object itself. */
export function ownMetadata(key: string | symbol, target: object): unknown {
  return Reflect.getOwnMetadata(key, target);
}

/** Metadata of a class, or of the nearest class it extends that has some. */
export function inheritedMetadata(key: string | symbol, target: object): unknown {
  return Reflect.getMetadata(key, target);
}

export function setMetadata(key: string | symbol, value: unknown, target: object): void {
  Reflect.defineMetadata(key, value, target);
}
