/**
 * Answers callbacks inside a NestJS application, on Express or on Fastify. Needs `@nestjs/common`, `@nestjs/core`,
 * `@nestjs/platform-express` and `rxjs`.
 *
 * Run it with `WEBSUB_PUBLIC_URL=https://… TSX_TSCONFIG_PATH=nest/tsconfig.json npx tsx nest/main.ts`
 */
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FeedReaderModule } from './feed-reader.js';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;

@Controller()
class HomeController {
  @Get()
  home(): string {
    return 'The rest of the application';
  }
}

@Module({
  imports: [FeedReaderModule.register({ feed: FEED })],
  controllers: [HomeController],
})
class AppModule {}

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  // Without this, SIGTERM ends the process at once, and the hub keeps the subscription.
  app.enableShutdownHooks();
  await app.listen(Number(PORT), '127.0.0.1');
}

void bootstrap();
