/**
 * A hub and a feed on this machine, to try a service by hand. Each line that you type is published as an entry.
 *
 * Run it with `npx tsx local-hub.ts`, and the service in another terminal with `FEED=http://127.0.0.1:4000/feed`.
 */
import { createInterface } from 'node:readline';
import { TestHub } from 'websub-subscriber/testing';

const { HUB_PORT = '4000' } = process.env;

const jsonFeed = (items: readonly { id: string; title: string; url: string }[]): string =>
  JSON.stringify({ version: 'https://jsonfeed.org/version/1.1', title: 'Local feed', items });

const hub = await TestHub.start({ port: Number(HUB_PORT) });
const topic = hub.topic('/feed', { contentType: 'application/feed+json', body: jsonFeed([]) });
console.log(`FEED=${topic.url}`);

let count = 0;
for await (const title of createInterface(process.stdin)) {
  count += 1;
  const url = `${topic.url}/${count}`;
  const deliveries = await topic.publish(jsonFeed([{ id: url, title, url }]));
  if (deliveries.length === 0) console.log('no subscriber yet');
  for (const { status, error } of deliveries) console.log(`the callback answered ${status ?? error?.message}`);
}
await hub.close();
