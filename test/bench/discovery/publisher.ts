import { createServer } from 'node:http';
import { answerCalls, stringsOf } from '../calls.js';
import { linkedDocuments } from './documents.js';

/** Answers with the documents, at `/page/whole` and the like. */
const server = createServer((request, response) => {
  const found = documents.get(request.url ?? '');
  const type = found?.contentType ?? 'text/plain';
  // A subscriber asks a publisher once in days: each time it connects anew, whatever is read of the document.
  response.writeHead(found === undefined ? 404 : 200, { 'content-type': type, connection: 'close' });
  response.end(found?.bytes);
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
