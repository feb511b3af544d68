import type { ServerFacts } from '../backend/server-facts.js';
import type { LedgerContext } from '../session/ledger-context.js';
import { lexerContextOf } from '../session/lexer-context.js';
import type { RelayServices } from './relay-services.js';

/** The last one that was made: all clients have the same for as long as the server is the same. */
const made = new WeakMap<RelayServices, { readonly facts: ServerFacts; readonly context: LedgerContext }>();

/** What clients' ledgers know of the server, once it is known. */
export function ledgerContext(services: RelayServices): LedgerContext {
  const { facts, trackers } = services.upstream;
  if (facts === null) throw new TypeError('a client has a profile before the server is known');
  const last = made.get(services);
  if (last?.facts === facts && last.context.trackers === trackers) return last.context;
  const context = contextOf(services, facts, trackers);
  made.set(services, { facts, context });
  return context;
}

function contextOf(
  { classifier }: RelayServices,
  facts: ServerFacts,
  trackers: LedgerContext['trackers'],
): LedgerContext {
  return {
    mysql: facts.info.flavor === 'mysql',
    trackers,
    collationName: (id) => facts.collations.get(id)?.collation,
    read: (text, profile) => {
      const bytes = Buffer.from(text, 'latin1');
      return classifier.classify(bytes, 0, bytes.length, lexerContextOf(profile, facts.info));
    },
  };
}
