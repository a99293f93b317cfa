/**
 * The subscriber of this Next.js application. Without NEXT_MANUAL_SIG_HANDLE, Next.js closes its server on SIGTERM before
 * the hub can verify the unsubscribe request.
 *
 * Run it with `npx next build && WEBSUB_PUBLIC_URL=https://… NEXT_MANUAL_SIG_HANDLE=true npx next start`
 */
import {
  type ContentDistributionMessage,
  defineSubscriber,
  startService,
  type SubscriberRuntime,
} from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

const feedReader = defineSubscriber(
  { name: 'feed-reader', target: FEED },
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
  return (globalThis.websubRuntime ??= startService(feedReader, { manual: true, handleSignals: true }));
}
