import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { startService } from 'websub-subscriber';
import { HOST, MANUAL, news, PORT, REST } from './news.js';

const app = new Hono();
const runtime = await startService(news, MANUAL);
app.all('/websub/*', (context) => runtime.fetch(context.req.raw));
app.get('/', (context) => context.text(REST));
app.post('/orders', async (context) => context.json(await context.req.json()));
serve({ fetch: app.fetch, hostname: HOST, port: PORT }, () => void runtime.begin());
