import type { Delivery, ReceivedRequest, TestHub } from 'websub-subscriber/testing';
import { inWords, say, short } from './say.js';

const UNTIL_CLOSED = { timeoutMs: 2_147_483_647 };

/** Prints every request that the hub and the publisher receive, and every request that the hub sends, until it closes. */
export async function printRequests(hub: TestHub): Promise<void> {
  let [requests, deliveries] = [0, 0];
  try {
    for (;;) {
      await hub.until(() => hub.requests.length > requests || hub.deliveries.length > deliveries, UNTIL_CLOSED);
      for (const request of hub.requests.slice(requests)) printReceived(request);
      for (const delivery of hub.deliveries.slice(deliveries)) printSent(delivery);
      [requests, deliveries] = [hub.requests.length, hub.deliveries.length];
    }
  } catch {
    // The hub is closed: no more lines.
  }
}

function printReceived({ method, path, form }: ReceivedRequest): void {
  if (method !== 'POST') {
    say('subscriber', `discovery: ${method} ${path} answered with Link headers that name the hub and the topic`);
    return;
  }
  const mode = form.get('hub.mode');
  const lease = form.get('hub.lease_seconds');
  const secret = form.get('hub.secret');
  const details = [
    ...(lease === null ? [] : [`a lease of ${inWords(Number(lease))}`]),
    ...(secret === null ? [] : [`a secret of ${Buffer.byteLength(secret)} bytes`]),
  ].join(' and ');
  say('subscriber', `${mode} request: POST ${path} with hub.mode=${mode}${details === '' ? '' : `, ${details}`}`);
}

function printSent({ kind, sent, status, error, body }: Delivery): void {
  const answer = status === undefined ? `failed: ${error?.message}` : `answered ${status}`;
  if (kind === 'content') {
    const signature = short(sent.headers['x-hub-signature'] ?? 'none');
    say('hub', `delivery: POST callback (X-Hub-Signature: ${signature}) ${answer}`);
    return;
  }
  const query = new URL(sent.url).searchParams;
  const challenge = body === query.get('hub.challenge') ? ' with the challenge' : '';
  say('hub', `verification of intent: GET callback?hub.mode=${query.get('hub.mode')} ${answer}${challenge}`);
}
