import { defineSubscriber, type SubscriberDefinition, type SubscriberServiceConfig } from 'websub-subscriber';

/** A service that records the text of each event. Its events need no signature unless the config has a secret. */
export function recordingService(config: SubscriberServiceConfig = {}): {
  readonly service: SubscriberDefinition;
  readonly received: string[];
} {
  const received: string[] = [];
  const service = defineSubscriber(
    { name: 'News', secret: false, ...config },
    { onEventNotification: (event) => void received.push(event.text()) },
  );
  return { service, received };
}
