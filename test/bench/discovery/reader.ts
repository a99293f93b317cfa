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

/** Bytes read from all connections that this process made. */
const bytesRead = (): number => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, bytesOfClosed);

/** So often at least: the first of a connection costs more than the next. */
const LEAST = 20;

/** Discovers over and over, for so long. */
answerCalls({
  async discover(argument) {
    const { url, hub, topic } = stringsOf(argument, ['url', 'hub', 'topic']);
    const { milliseconds } = numbersOf(argument, ['milliseconds']);
    const [bytesBefore, cpuBefore, endsAt] = [bytesRead(), process.cpuUsage(), performance.now() + milliseconds];
    let times = 0;
    do {
      const found = await discover(url);
      times += 1;
      if (found.hubs[0] !== hub || found.topic !== topic) throw new Error(`${url} led to ${JSON.stringify(found)}`);
    } while (times < LEAST || performance.now() < endsAt);
    const { user, system } = process.cpuUsage(cpuBefore);
    return { cpuMicros: (user + system) / times, bytes: (bytesRead() - bytesBefore) / times };
  },
  stop: () => ({}),
});
