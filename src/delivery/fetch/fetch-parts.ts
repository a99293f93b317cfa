import type { Registry } from '../../subscription/registry/registry.js';
import type { TopicCrashGuard } from '../crash-guard/topic-crash-guard.js';
import type { ProcessedLog } from '../dedupe/processed-log.js';
import type { Delivery } from '../delivery.js';
import type { TopicReader } from './topic-reader.js';

/** The parts that catch-up and polling fetch topics with. */
export interface FetchParts {
  readonly registry: Registry;
  readonly reader: TopicReader;
  readonly processedLog: ProcessedLog;
  readonly delivery: Delivery;
  readonly crashGuard: TopicCrashGuard;
}
