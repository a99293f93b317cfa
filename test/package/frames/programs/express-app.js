import { HOST, PORT, REST } from './news.js';

/** Adds the routes that every Express program has beside the callbacks, and listens. Hubs are asked once it does. */
export function listen(app, runtime) {
  app.get('/', (_request, response) => response.send(REST));
  app.post('/orders', (request, response) => response.json(request.body));
  app.listen(PORT, HOST, () => runtime.begin());
}
