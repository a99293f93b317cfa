import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  Module,
  Post,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { FeedReaderModule } from './feed-reader.js';

const { FEED = '', PLATFORM = '', PORT = '' } = process.env;

/** Rejects every route but two. */
@Injectable()
class Refuse implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { url }: { url: string } = context.switchToHttp().getRequest();
    return url === '/api/health' || url === '/api/orders';
  }
}

@Controller()
class Rest {
  @Get('health')
  health(): string {
    return 'The rest of the application';
  }

  @Get('secret')
  secret(): string {
    return 'The guard did not refuse this';
  }

  @Post('orders')
  order(@Body() order: object): object {
    return order;
  }
}

@Module({ imports: [FeedReaderModule.register({ feed: FEED })], controllers: [Rest] })
class AppModule {}

async function bootstrap(): Promise<void> {
  const app =
    PLATFORM === 'fastify'
      ? await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter())
      : await NestFactory.create(AppModule);
  app.setGlobalPrefix('api');
  app.useGlobalGuards(new Refuse());
  app.enableShutdownHooks();
  await app.listen(Number(PORT), '127.0.0.1');
}

void bootstrap();
