import type { HubFaults } from './faults/hub-faults.js';
import type { HubProtocol } from './checks/request-violations.js';

/** How a `TestHub` is started; its faults hold for every topic that does not set its own. */
export interface TestHubOptions extends HubFaults {
  /** On 127.0.0.1; 0 picks a free one. @default 0 */
  readonly port?: number;
  /** The host name in the hub's and its topics' URLs: one that leads to 127.0.0.1. @default '127.0.0.1' */
  readonly hostname?: string;
  /** A key and a certificate (PEM): hub and topics are served over https. @default plain http */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer };
  /** A certificate (PEM) to trust in callbacks over https. @default the authorities Node trusts */
  readonly ca?: string | Buffer;
  /** `pubsubhubbub-0.3` requires `hub.verify`, and signs with sha1. @default 'websub' */
  readonly protocol?: HubProtocol;
  /** Milliseconds until a callback that has not answered in full counts as failed. @default 10_000 */
  readonly timeoutMs?: number;
  /** The clock that leases lapse by, in milliseconds. @default Date.now */
  readonly now?: () => number;
}
