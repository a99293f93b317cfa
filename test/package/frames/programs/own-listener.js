import { startService } from 'websub-subscriber';
import { HOST, news } from './news.js';

await startService(news, { host: HOST });
