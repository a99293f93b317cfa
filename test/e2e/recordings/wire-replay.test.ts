import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Keyv } from 'keyv';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  defineSubscriber,
  SubscriptionDeletedError,
  verifySignature,
  type ContentDistributionMessage,
  type SubscriberRuntime,
} from 'websub-subscriber';
import { start } from '../../../src/runtime/lifecycle/start-service.js';
import { listenForTest } from '../../kit/listen-for-test.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { exchange as exchangeBytes, type WireAnswer } from '../../kit/wire.js';

interface Message {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly bodyBase64: string;
}

interface Exchange {
  readonly case: string;
  readonly step: number;
  readonly from: 'subscriber' | 'hub';
  readonly request: Message & { readonly method: string; readonly target: string; readonly httpVersion: string };
  readonly response: Message & { readonly status: number };
  readonly secret?: string;
}

interface Recording {
  readonly hub: string;
  readonly secret: string;
  readonly exchanges: readonly Exchange[];
}

const wire = fileURLToPath(new URL('../../../../shared/wire/', import.meta.url));
const isAvailable = existsSync(wire);
const recordings = (isAvailable ? ['thylacine', 'flask-websub'] : []).map((name): Recording => {
  const content: unknown = JSON.parse(readFileSync(`${wire}${name}.json`, 'utf8'));
  // The README of the recordings specifies their shape.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return content as Recording;
});

/** Our answers in cases where the recorded subscriber misbehaved, or knew less than we do. Keys are case and status. */
const BETTER_ANSWERS: ReadonlyMap<string, { readonly status: number; readonly why: string }> = new Map([
  ['verification-500 500', { status: 200, why: 'the recorder failed on purpose' }],
  ['topic-dropped-while-pending 500', { status: 200, why: 'the recorder failed on purpose' }],
  ['redelivery-after-500 500', { status: 202, why: 'the recorder failed on purpose' }],
  ['bad-request 200', { status: 404, why: 'an unsubscription that was not requested' }],
]);

/** Whether node:http refuses the hub's request before any handler. */
const isRefusedByNode = ({ request }: Exchange): boolean =>
  valueOf(request, 'transfer-encoding') !== undefined && valueOf(request, 'content-length') !== undefined;

const cases = recordings.flatMap(({ hub, secret, exchanges }) =>
  [...new Set(exchanges.map((each) => each.case))].map((name) => ({
    hub,
    name,
    secret,
    exchanges: exchanges.filter((each) => each.case === name).toSorted((a, b) => a.step - b.step),
  })),
);

describe.skipIf(!isAvailable)(`the recordings in ${wire}`, () => {
  test('contain more than 45 cases, and more than 40 requests of each hub', () => {
    const fromHubs = recordings.map(({ exchanges }) => exchanges.filter(({ from }) => from === 'hub').length);
    expect(fromHubs.every((count) => count > 40)).toBe(true);
    expect(cases.length).toBeGreaterThan(45);
  });

  test.each(cases)('of $hub ($name) get the recorded answers, or better', async ({ name, secret, exchanges }) => {
    const replay = await replayOf(exchanges, secret);
    const outcomes: Outcome[] = [];
    for (const each of exchanges) {
      if (each.from === 'subscriber') await replay.repeatRequest(each);
      else outcomes.push(await outcomeOf(replay, each));
    }
    const fromHub = exchanges.filter(({ from }) => from === 'hub');
    expect(outcomes).toEqual(fromHub.map((each) => expectedOf(each, name)));
    const badlySigned = fromHub.filter((each) => !isCorrectlySigned(each, each.secret ?? secret));
    expect(badlySigned).toEqual([]);
  });
});

/** The outcome of a hub's request. */
interface Outcome {
  readonly step: number;
  readonly status: number;
  /** The body of the answer to a verification. */
  readonly challenge: string | undefined;
  /** The events that the handler got. */
  readonly events: readonly { readonly raw: string; readonly bytes: string; readonly undecodable: boolean }[];
  /** The status for the same content with one more byte. Undefined if it is unsigned or refused by Node.js. */
  readonly tampered: number | undefined;
}

async function outcomeOf(replay: Replay, recorded: Exchange): Promise<Outcome> {
  const { step, request } = recorded;
  const tamperedBody = Buffer.concat([bodyOf(request), Buffer.from(' ')]);
  const tampered = isTamperable(recorded) ? (await replay.send(recorded, tamperedBody)).status : undefined;
  const { status, body } = await replay.send(recorded);
  const events = replay.takeEvents().map((event) => ({
    raw: Buffer.from(event.raw).toString('base64'),
    bytes: Buffer.from(event.bytes()).toString('base64'),
    undecodable: event.undecodable,
  }));
  return { step, status, challenge: status === 200 ? body : undefined, events, tampered };
}

function expectedOf(recorded: Exchange, name: string): Outcome {
  const { step, request, response } = recorded;
  if (isRefusedByNode(recorded)) return { step, status: 400, challenge: undefined, events: [], tampered: undefined };
  const status = BETTER_ANSWERS.get(`${name} ${response.status}`)?.status ?? response.status;
  const challenge = new URLSearchParams(request.target.slice(request.target.indexOf('?') + 1)).getAll('hub.challenge');
  const raw = request.bodyBase64;
  return {
    step,
    status,
    challenge: status === 200 ? (challenge.at(-1) ?? '') : undefined,
    // D14: Flask-WebSub copies the topic's Content-Encoding to a plain body.
    events: request.method === 'POST' ? [{ raw, bytes: raw, undecodable: false }] : [],
    tampered: isTamperable(recorded) ? 403 : undefined,
  };
}

/** Whether the request is signed, and not refused by Node.js. */
function isTamperable(recorded: Exchange): boolean {
  return valueOf(recorded.request, 'x-hub-signature') !== undefined && !isRefusedByNode(recorded);
}

/** Whether the request has no signature, or a signature made with the secret. */
function isCorrectlySigned({ request }: Exchange, secret: string): boolean {
  const signature = valueOf(request, 'x-hub-signature');
  return signature === undefined || verifySignature(bodyOf(request), signature, secret);
}

function bodyOf({ bodyBase64 }: Message): Buffer {
  return Buffer.from(bodyBase64, 'base64');
}

interface Replay {
  /** Makes the runtime send the request of the recorded subscriber. */
  readonly repeatRequest: (recorded: Exchange) => Promise<void>;
  /** Sends the hub's recorded request, unchanged or with another body. */
  readonly send: (recorded: Exchange, body?: Buffer) => Promise<WireAnswer>;
  /** The events of the handler since the last call. */
  readonly takeEvents: () => readonly ContentDistributionMessage[];
}

async function replayOf(exchanges: readonly Exchange[], commonSecret: string): Promise<Replay> {
  const subscriberExchanges = exchanges.filter(({ from }) => from === 'subscriber');
  const forms = subscriberExchanges.map(({ request }) => new URLSearchParams(bodyOf(request).toString()));
  const firstForm = forms.find((form) => form.has('hub.callback') && form.has('hub.topic'));
  if (firstForm === undefined) throw new Error('the recorded subscriber sent no request');
  const hub = await stubHub(subscriberExchanges.map(({ response }) => response));
  const clock = new ManualClock(Date.now());
  const store = new Keyv();
  const events: ContentDistributionMessage[] = [];
  let recordedStatus = 0;
  let runtime: SubscriberRuntime | undefined;

  const startRuntime = async (secret: string | null): Promise<SubscriberRuntime> => {
    await runtime?.stop({ unsubscribe: false });
    const lease = firstForm.get('hub.lease_seconds');
    const service = defineSubscriber(
      {
        name: 'Recorded',
        target: { hub: hub.url, topic: firstForm.get('hub.topic') ?? '' },
        callback: firstForm.get('hub.callback') ?? '',
        secret: secret ?? false,
        ...(lease === null ? {} : { leaseSeconds: Number(lease) }),
      },
      {
        onSubscriptionVerification() {
          if (recordedStatus === 404) throw new Error('refused, as recorded');
        },
        onEventNotification(event) {
          events.push(event);
          if (recordedStatus === 410) throw new SubscriptionDeletedError('gone, as recorded');
        },
      },
    );
    const options = { port: 0, store, logger: false, handleSignals: false } as const;
    const seams = { random: () => 0.5, env: {}, now: clock.now, engine: clock.engine };
    return start(service, options, seams);
  };

  onTestFinished(() => runtime?.stopNow());

  return {
    async repeatRequest({ request }) {
      const form = new URLSearchParams(bodyOf(request).toString());
      const secret = form.get('hub.secret');
      if (runtime === undefined) {
        // Our runtime sends no secret that is too long, and no request without a callback.
        runtime = await startRuntime(form === firstForm || (secret ?? '').length < 200 ? secret : commonSecret);
        return;
      }
      const { length } = hub.requests;
      const [subscription] = await runtime.subscriptions.find();
      if (subscription?.state !== 'active') {
        if (subscription?.desired === 'unsubscribed') await hub.received(({ mode }) => mode === 'unsubscribe');
        return;
      }
      if (form.get('hub.mode') === 'unsubscribe') {
        await runtime.unsubscribe(subscription.id);
      } else {
        if (secret !== hub.requests.at(-1)?.secret) runtime = await startRuntime(secret);
        clock.advance(Number(subscription.renewsAt) - clock.time + 1000);
      }
      await hub.received((_request, index) => index >= length);
    },
    async send({ request, response }, body = bodyOf(request)) {
      recordedStatus = response.status;
      const lines = request.headers.map(([name, value]) => {
        const isLength = name.toLowerCase() === 'content-length';
        return `${name}: ${isLength ? body.length : value}\r\n`;
      });
      const head = `${request.method} ${request.target} HTTP/${request.httpVersion}\r\n${lines.join('')}\r\n`;
      return exchangeBytes(runtime?.port ?? 0, Buffer.concat([Buffer.from(head, 'latin1'), body]));
    },
    takeEvents: () => events.splice(0),
  };
}

interface StubRequest {
  readonly mode: string | null;
  readonly secret: string | null;
}

interface StubHub {
  readonly url: string;
  readonly requests: readonly StubRequest[];
  readonly received: (matches: (request: StubRequest, index: number) => boolean) => Promise<void>;
}

/** Answers subscription requests with the recorded answers, in order. */
async function stubHub(answers: readonly (Message & { readonly status: number })[]): Promise<StubHub> {
  const requests: StubRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(chunks).toString());
      const answer = answers[requests.length];
      response.writeHead(answer?.status ?? 202).end(answer === undefined ? '' : bodyOf(answer));
      requests.push({ mode: form.get('hub.mode'), secret: form.get('hub.secret') });
    });
  });
  const port = await listenForTest(server);
  return {
    url: `http://127.0.0.1:${port}/hub`,
    requests,
    received: (matches) => expect.poll(() => requests.some(matches), { timeout: 5_000 }).toBe(true),
  };
}

function valueOf({ headers }: Message, wanted: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === wanted)?.[1];
}
