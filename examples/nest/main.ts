/**
 * Callbacks inside a NestJS application, on Express or on Fastify. Needs `@nestjs/common`, `@nestjs/core`, `rxjs`,
 * `@nestjs/platform-express` and WEBSUB_PUBLIC_URL:
 * `TSX_TSCONFIG_PATH=nest/tsconfig.json node --import tsx nest/main.ts`
 */
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { NewsModule } from './news.js';

const { FEED = 'https://security.googleblog.com/feeds/posts/default', PORT = '3000' } = process.env;
const { WEBSUB_PUBLIC_URL = `http://localhost:${PORT}` } = process.env;

@Controller()
class RestController {
  @Get()
  rest(): string {
    return 'The rest of the application';
  }
}

@Module({
  imports: [NewsModule.register({ feed: FEED, publicUrl: WEBSUB_PUBLIC_URL })],
  controllers: [RestController],
})
class AppModule {}

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  // Without this, SIGTERM ends the process at once, and the hub keeps the subscription.
  app.enableShutdownHooks();
  await app.listen(Number(PORT), '127.0.0.1');
}

void bootstrap();
