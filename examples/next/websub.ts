import {
  type ContentDistributionMessage,
  defineSubscriber,
  startService,
  type SubscriberRuntime,
} from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

const news = defineSubscriber(
  { name: 'news', target: FEED },
  {
    onEventNotification(event: ContentDistributionMessage): void {
      console.log(event.contentType, event.text());
    },
  },
);

declare global {
  /** On `globalThis`: Next.js bundles instrumentation and routes separately, each with its own module variables. */
  var websubRuntime: Promise<SubscriberRuntime> | undefined;
}

/** The runtime of this process, started by the first call. */
export function websub(): Promise<SubscriberRuntime> {
  return (globalThis.websubRuntime ??= startService(news, {
    manual: true,
    publicUrl: WEBSUB_PUBLIC_URL,
    handleSignals: true,
  }));
}
