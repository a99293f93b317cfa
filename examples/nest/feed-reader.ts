import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnModuleInit,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  type ContentDistributionMessage,
  defineSubscriber,
  startService,
  type SubscriberRuntime,
} from 'websub-subscriber';

/** Options of FeedReaderModule. */
export interface FeedReaderOptions {
  readonly feed: string;
}

const OPTIONS = Symbol('FeedReaderOptions');

/** Receives a feed. It is a provider like any other: Nest injects what its constructor names. */
@Injectable()
export class FeedReader implements OnModuleInit, BeforeApplicationShutdown {
  #runtime?: SubscriberRuntime;

  constructor(
    @Inject(OPTIONS) private readonly options: FeedReaderOptions,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }

  /** On the server itself, callbacks need no controller: global prefix, guards, pipes and body parsers do not see them. */
  async onModuleInit(): Promise<void> {
    const service = defineSubscriber({ name: 'feed-reader', target: this.options.feed }, this);
    this.#runtime = await startService(service, { server: this.host.httpAdapter.getHttpServer() });
  }

  /** Nest closes the server after this hook, so the hub can still verify the unsubscription. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#runtime?.stop();
  }
}

@Module({})
export class FeedReaderModule {
  static register(options: FeedReaderOptions): DynamicModule {
    return {
      module: FeedReaderModule,
      providers: [{ provide: OPTIONS, useValue: options }, FeedReader],
      exports: [FeedReader],
    };
  }
}
