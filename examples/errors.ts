/**
 * Stores orders with an HTTP API. An error is retried, unless no retry can help.
 *
 * Run it with `FEED=https://… ORDERS_API=https://… npx tsx errors.ts`. After you have fixed the cause of
 * dead letters, stop it and start it with `--replay`.
 */
import {
  type ContentDistributionMessage,
  startService,
  SubscriberService,
  UnrecoverableEventError,
} from 'websub-subscriber';
import * as z from 'zod';

const { FEED = 'https://shop.example.com/orders', ORDERS_API = 'https://api.example.com/orders' } = process.env;

const Order = z.object({ id: z.number(), total: z.number() });

@SubscriberService({ target: FEED })
class Orders {
  async onEventNotification(event: ContentDistributionMessage): Promise<void> {
    // A body that does not match the schema is an UnrecoverableEventError.
    const order = await event.parse(Order);
    // A retry sends the same key, so the API stores the order once.
    const headers = { 'content-type': 'application/json', 'idempotency-key': event.digest };
    const { ok, status } = await fetch(ORDERS_API, { method: 'POST', headers, body: JSON.stringify(order) });
    // The event becomes a dead letter: it is stored, but not retried.
    if (status === 422) throw new UnrecoverableEventError(`order ${order.id} is invalid`);
    // Any other error: the event is stored and retried after 1 to 2 s, then less and less often, for three days.
    if (!ok) throw new Error(`order ${order.id} got status ${status}`);
    console.log(`order ${order.id} is stored, attempt ${event.attempt}`);
  }
}

const runtime = await startService(Orders);
// Tell somebody who can fix the cause.
runtime.hooks.on('dead-letter', ({ event, error }) => console.error(`dead letter ${event.id}: ${error.message}`));

if (process.argv.includes('--replay')) {
  for await (const { id } of runtime.deadLetters) await runtime.deadLetters.replay(id);
}
