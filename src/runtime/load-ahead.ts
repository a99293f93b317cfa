import { onDemand } from '../on-demand.js';

/** What a first request, a first feed and a first caller who is no hub need. */
const PACKAGES = ['undici', 'ofetch', 'ipaddr.js', 'htmlparser2', 'feedsmith', 'h3', 'h3/node'] as const;

/** Milliseconds after the start, for what a start sets off to be over. */
const BEGIN_MS = 500;

/** Milliseconds between two packages, for whatever came meanwhile. */
const PAUSE_MS = 50;

/**
 * Loads what the start left for later, one after the other, so that the first delivery does not pay for it.
 *
 * @returns what ends it
 */
export function loadAhead(): () => void {
  const left = PACKAGES.values();
  const loadNext = (): void => {
    const { value: name } = left.next();
    if (name === undefined) return;
    try {
      onDemand(name);
    } catch {
      // Whoever needs it is told.
    }
    timer = setTimeout(loadNext, PAUSE_MS).unref();
  };
  let timer = setTimeout(loadNext, BEGIN_MS).unref();
  return () => clearTimeout(timer);
}
