import type { SubscriptionTarget } from './snapshot.js';

/** The name of a target in log lines and errors. */
export function targetName(target: SubscriptionTarget): string {
  return typeof target === 'string' ? target : `${target.topic} at ${target.hub}`;
}

/**
 * The identity of a target: a service has one subscription for all targets with equal keys. `hub` is empty if the hub
 * is discovered. `name` is the topic, or the URL to discover from.
 */
export function targetKey(target: SubscriptionTarget): { readonly hub: string; readonly name: string } {
  if (typeof target === 'string') return { hub: '', name: normalized(target) };
  return { hub: normalized(target.hub), name: normalized(target.topic) };
}

function normalized(url: string): string {
  try {
    const { href } = new URL(url);
    return href === url ? url : href;
  } catch {
    return url;
  }
}
