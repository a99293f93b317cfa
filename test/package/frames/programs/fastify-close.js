import Fastify from 'fastify';
import { startService } from 'websub-subscriber';
import { HOST, news, PORT, REST } from './news.js';

// The application closes itself on SIGTERM. The runtime stops in a hook, while the server still listens.
const app = Fastify();
const runtime = await startService(news, { server: app.server, publicUrl: process.env.WEBSUB_PUBLIC_URL });
app.addHook('preClose', () => runtime.stop());
app.get('/', () => REST);
app.post('/orders', (request) => request.body);
await app.listen({ host: HOST, port: PORT });
process.once('SIGTERM', () => void app.close());
