import type { ContentDistributionMessage } from 'websub-subscriber';
import type { FakeWorld } from './fake-world.js';

/** Records each run of a handler, with the time of the world. */
export class HandlerRuns {
  readonly calls: { readonly id: string; readonly attempt: number; readonly at: number; readonly text: string }[] = [];
  readonly events: ContentDistributionMessage[] = [];

  constructor(readonly world: FakeWorld) {}

  note(event: ContentDistributionMessage): void {
    this.events.push(event);
    this.calls.push({ id: event.id, attempt: event.attempt, at: this.world.now, text: event.text() });
  }
}
