import { H3, readBody, serve } from 'h3';
import { startService } from 'websub-subscriber';
import { HOST, MANUAL, news, PORT, REST } from './news.js';

const app = new H3();
const runtime = await startService(news, MANUAL);
app.all('/websub/**', (event) => runtime.fetch(event.req));
app.get('/', () => REST);
app.post('/orders', (event) => readBody(event));
const server = serve(app, { hostname: HOST, port: PORT, silent: true, gracefulShutdown: false });
await server.ready();
await runtime.begin();
