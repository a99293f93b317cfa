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

/** Options of NewsModule. */
export interface NewsOptions {
  readonly feed: string;
  /** The URL under which hubs reach the application. */
  readonly publicUrl: string;
}

const OPTIONS = Symbol('NewsOptions');

/** Receives a feed. It is a provider like any other: Nest injects what its constructor names. */
@Injectable()
export class News implements OnModuleInit, BeforeApplicationShutdown {
  #runtime?: SubscriberRuntime;

  constructor(
    @Inject(OPTIONS) private readonly options: NewsOptions,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  onEventNotification(event: ContentDistributionMessage): void {
    console.log(event.contentType, event.text());
  }

  /** On the server itself, callbacks need no controller: global prefix, guards, pipes and body parsers do not see them. */
  async onModuleInit(): Promise<void> {
    const { feed, publicUrl } = this.options;
    const service = defineSubscriber({ name: 'news', target: feed }, this);
    this.#runtime = await startService(service, { server: this.host.httpAdapter.getHttpServer(), publicUrl });
  }

  /** Nest closes the server after this hook, so the hub can still verify the unsubscription. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#runtime?.stop();
  }
}

@Module({})
export class NewsModule {
  static register(options: NewsOptions): DynamicModule {
    return { module: NewsModule, providers: [{ provide: OPTIONS, useValue: options }, News], exports: [News] };
  }
}
