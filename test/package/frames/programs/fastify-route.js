import Fastify from 'fastify';
import { startService } from 'websub-subscriber';
import { HOST, MANUAL, news, PORT, REST } from './news.js';

// The obvious mount does not work: Fastify parses the body before the route runs.
const app = Fastify();
const runtime = await startService(news, MANUAL);
app.all('/websub/*', (request, reply) => {
  reply.hijack();
  runtime.nodeHandler(request.raw, reply.raw);
});
app.get('/', () => REST);
await app.listen({ host: HOST, port: PORT });
await runtime.begin();
