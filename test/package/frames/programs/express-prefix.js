import express from 'express';
import { startService } from 'websub-subscriber';
import { listen } from './express-app.js';
import { MANUAL, news } from './news.js';

const app = express();
const runtime = await startService(news, MANUAL);
app.use('/hooks', runtime.nodeHandler);
app.use(express.json());
listen(app, runtime);
