import Fastify from 'fastify';
import { startService } from 'websub-subscriber';
import { HOST, MANUAL, news, PORT, REST } from './news.js';

const app = Fastify();
const runtime = await startService(news, MANUAL);
// A hook runs before Fastify checks the content type and reads the body.
app.addHook('onRequest', (request, reply, done) => {
  runtime.nodeHandler(request.raw, reply.raw, done);
});
app.get('/', () => REST);
app.post('/orders', (request) => request.body);
await app.listen({ host: HOST, port: PORT });
await runtime.begin();
