import express from 'express';
import { startService } from 'websub-subscriber';
import { listen } from './express-app.js';
import { MANUAL, news } from './news.js';

const app = express();
app.use(express.json({ verify: (request, _response, buffer) => (request.rawBody = buffer) }));
const runtime = await startService(news, MANUAL);
app.use(runtime.nodeHandler);
listen(app, runtime);
