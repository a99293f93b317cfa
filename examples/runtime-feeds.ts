/**
 * Feeds that are added and removed while the service runs. Type `add <url> <category>`, `list <category>` or
 * `remove <url>`.
 *
 * Run it with `npx tsx runtime-feeds.ts`
 */
import { createInterface } from 'node:readline';
import { type ContentDistributionMessage, startService, SubscriberService } from 'websub-subscriber';

// Without a target, the first start subscribes to nothing.
@SubscriberService()
class FeedReader {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    const { category } = event.subscription.metadata ?? {};
    for (const { title, url } of await event.entries()) console.log(`[${category}]`, title, url);
  }
}

const runtime = await startService(FeedReader);

async function run([command, argument = '', category = 'other']: string[]): Promise<void> {
  switch (command) {
    case 'add':
      // The store keeps subscriptions and their metadata, so the next start subscribes to the same feeds. Validate URLs
      // from users (SSRF): the runtime also requests targets in your private network.
      await runtime.subscribe(FeedReader, { target: argument, metadata: { category } });
      console.log('added');
      break;
    case 'remove':
      await runtime.unsubscribe(FeedReader, argument);
      console.log('removed');
      break;
    case 'list':
      for (const { target, state } of await runtime.subscriptions.find({ metadata: { category: argument } })) {
        console.log(target, state);
      }
      break;
    default:
      console.log('add <url> <category>, list <category> or remove <url>');
  }
}

for await (const line of createInterface(process.stdin)) {
  // The message says what to change, for example that the target is not a URL.
  await run(line.split(' ')).catch((error: Error) => console.error(error.message));
}
