import { defineSubscriber } from 'websub-subscriber';

/** Prints each event with its raw bytes. */
export const news = defineSubscriber(
  { name: 'news', target: process.env.FEED },
  {
    onEventNotification({ contentType, raw }) {
      console.log(JSON.stringify({ contentType, raw: Buffer.from(raw).toString('base64') }));
    },
  },
);

export const HOST = '127.0.0.1';
export const PORT = Number(process.env.PORT);
/** Options for manually mounted callbacks. `begin()` starts requests to hubs once the program listens. */
export const MANUAL = {
  manual: true,
  deferRequests: true,
  publicUrl: process.env.WEBSUB_PUBLIC_URL,
  handleSignals: true,
};
export const REST = 'The rest of the application';
