import { viewNamed } from '../subscription/record/log-view.js';
import type { SubscriptionState } from '../subscription/record/snapshot.js';
import { stateOf } from '../subscription/machine/state.js';
import type { Core } from './core.js';

/** The view of a runtime in `console.log`: where it listens, and how many subscriptions and dead letters it has. */
export function runtimeView(
  { services, registry, pipeline }: Pick<Core, 'services' | 'registry' | 'pipeline'>,
  { url, port, isStopping }: { readonly url: string; readonly port: number | undefined; readonly isStopping: boolean },
): object {
  const subscriptions: Partial<Record<SubscriptionState, number>> = {};
  for (const { record } of registry.all()) {
    const state = stateOf(record);
    subscriptions[state] = (subscriptions[state] ?? 0) + 1;
  }
  return viewNamed('SubscriberRuntime', {
    url,
    port,
    services: services.map(({ config }) => config.name),
    subscriptions,
    deadLetters: pipeline.deadLetters.count,
    ...(isStopping ? { isStopping } : {}),
  });
}
