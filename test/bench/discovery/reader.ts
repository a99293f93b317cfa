import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { discover } from 'websub-subscriber';
import { answerCalls, numbersOf, stringsOf } from '../calls.js';

const sockets = new Set<Socket>();
let bytesOfClosed = 0;

subscribe('net.client.socket', (message) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented for this channel
  const { socket } = message as { readonly socket: Socket };
  sockets.add(socket);
  socket.once('close', () => {
    sockets.delete(socket);
    bytesOfClosed += socket.bytesRead;
  });
});

/** Bytes read from all connections of this process. */
const bytesRead = (): number => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, bytesOfClosed);

/** Minimum number of runs. The first one on a connection costs more than the next. */
const MIN_RUNS = 20;

/** Runs discovery repeatedly for the requested time. */
answerCalls({
  async discover(argument) {
    const { url, hub, topic } = stringsOf(argument, ['url', 'hub', 'topic']);
    const { milliseconds } = numbersOf(argument, ['milliseconds']);
    const [bytesBefore, cpuBefore, endsAt] = [bytesRead(), process.cpuUsage(), performance.now() + milliseconds];
    let runs = 0;
    do {
      const result = await discover(url);
      runs += 1;
      if (result.hubs[0] !== hub || result.topic !== topic) throw new Error(`${url} led to ${JSON.stringify(result)}`);
    } while (runs < MIN_RUNS || performance.now() < endsAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    return { cpuMicros: (user + system) / runs, bytes: (bytesRead() - bytesBefore) / runs };
  },
  stop: () => ({}),
});
