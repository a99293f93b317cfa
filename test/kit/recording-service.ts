import { defineSubscriber, type SubscriberDefinition, type SubscriberServiceConfig } from 'websub-subscriber';

/** A service that records the text of each event. Its events need no signature unless the config has a secret. */
export function recordingService(config: SubscriberServiceConfig = {}): {
  readonly service: SubscriberDefinition;
  readonly got: string[];
} {
  const got: string[] = [];
  const service = defineSubscriber(
    { name: 'News', secret: false, ...config },
    { onEventNotification: (event) => void got.push(event.text()) },
  );
  return { service, got };
}
