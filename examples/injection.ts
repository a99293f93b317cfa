/**
 * A service whose constructor takes objects of your application.
 *
 * Run it with `npx tsx injection.ts`
 */
import { container, type ContentDistributionMessage, Logger, startService, SubscriberService } from 'websub-subscriber';

const { FEED = 'https://security.googleblog.com/feeds/posts/default' } = process.env;

class Archive {
  readonly #titles = new Map<string, string>();

  /** Returns the number of titles. */
  add(id: string, title: string): number {
    return this.#titles.set(id, title).size;
  }
}

// `inject` names the arguments in order, because tsx emits no decorator metadata. With tsc and `emitDecoratorMetadata`,
// you can omit it.
@SubscriberService({ target: FEED, inject: [Archive, Logger] })
class FeedReader {
  constructor(
    private readonly archive: Archive,
    private readonly logger: Logger,
  ) {}

  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    for (const { id, title = '' } of await event.entries()) {
      this.logger.info({ id, count: this.archive.add(id, title) }, 'entry archived');
    }
  }
}

// Each class that injects an Archive gets this object.
container.registerInstance(Archive, new Archive());
await startService(FeedReader);
