import { HOST, PORT, REST } from './news.js';

/** Adds the other routes of every Express program, listens, and then starts requests to hubs. */
export function listen(app, runtime) {
  app.get('/', (_request, response) => response.send(REST));
  app.post('/orders', (request, response) => response.json(request.body));
  app.listen(PORT, HOST, () => runtime.begin());
}
