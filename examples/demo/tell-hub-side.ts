import type { Delivery, ReceivedRequest, TestHub } from 'websub-subscriber/testing';
import { inWords, say, short } from './say.js';

const UNTIL_CLOSED = { timeoutMs: 2_147_483_647 };

/** Prints the requests to publisher and hub, and the answers to the hub's own requests, until the hub is closed. */
export async function tellHubSide(hub: TestHub): Promise<void> {
  let [requests, deliveries] = [0, 0];
  try {
    for (;;) {
      await hub.until(() => hub.requests.length > requests || hub.deliveries.length > deliveries, UNTIL_CLOSED);
      for (const request of hub.requests.slice(requests)) tellRequest(request);
      for (const delivery of hub.deliveries.slice(deliveries)) tellDelivery(delivery);
      [requests, deliveries] = [hub.requests.length, hub.deliveries.length];
    }
  } catch {
    // The hub is closed: no more lines.
  }
}

function tellRequest({ method, path, form }: ReceivedRequest): void {
  if (method !== 'POST') {
    say('publisher', `is read (${method} ${path}): its Link headers name hub and topic. That is discovery`);
    return;
  }
  const lease = form.get('hub.lease_seconds');
  const secret = form.get('hub.secret');
  const details = [
    ...(lease === null ? [] : [`for ${inWords(Number(lease))}`]),
    ...(secret === null ? [] : [`signed with a secret of ${Buffer.byteLength(secret)} bytes`]),
  ];
  say('hub', [`is asked: POST ${path} hub.mode=${form.get('hub.mode')}`, ...details].join(', '));
}

function tellDelivery({ kind, sent, status, error, body }: Delivery): void {
  const answer = status === undefined ? `no answer (${error?.message})` : String(status);
  if (kind === 'content') {
    say('hub', `sent it with X-Hub-Signature: ${short(sent.headers['x-hub-signature'] ?? 'none')} and got ${answer}`);
    return;
  }
  const query = new URL(sent.url).searchParams;
  const isEchoed = body === query.get('hub.challenge');
  say('hub', `got ${answer}${isEchoed ? ' and its challenge back' : ''}: ${query.get('hub.mode')} is verified`);
}
