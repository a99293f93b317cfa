import type { Server } from 'node:http';
import { answerCalls } from '../calls.js';

/** Node.js has started. From here on the time is spent on imports. */
const startedAt = performance.now();
let server: Server | undefined;

answerCalls({
  async start() {
    const [{ createServer }, { H3, toNodeHandler }] = await Promise.all([import('node:http'), import('h3')]);
    const listening = createServer(toNodeHandler(new H3().post('/', () => '')));
    server = listening;
    await new Promise<void>((resolve) => void listening.listen(0, resolve));
    const milliseconds = performance.now() - startedAt;
    return { milliseconds, listening: milliseconds };
  },
  stop() {
    server?.close();
    return {};
  },
});
