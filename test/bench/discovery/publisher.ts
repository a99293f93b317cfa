import { createServer } from 'node:http';
import { answerCalls, stringsOf } from '../calls.js';
import { linkedDocuments } from './documents.js';

/** Serves the documents, for example at `/page/whole`. */
const server = createServer((request, response) => {
  const document = documents.get(request.url ?? '');
  const type = document?.contentType ?? 'text/plain';
  // A subscriber contacts a publisher once in days. So each request uses a new connection.
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': type, connection: 'close' });
  response.end(document?.bytes);
});
const documents = new Map<string, { readonly contentType: string; readonly bytes: Buffer }>();

answerCalls({
  async start(subject) {
    for (const { name, contentType, whole, head } of linkedDocuments(stringsOf(subject, ['hub', 'topic', 'secret']))) {
      documents.set(`/${name}/whole`, { contentType, bytes: whole });
      documents.set(`/${name}/head`, { contentType, bytes: head });
    }
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The publisher listens on no port');
    return { origin: `http://127.0.0.1:${address.port}` };
  },
  stop() {
    server.close();
    server.closeAllConnections();
    return {};
  },
});
