import type { LedgerContext } from '../session/ledger-context.js';
import { lexerContextOf } from '../session/lexer-context.js';
import type { RelayServices } from './relay-services.js';

/** What clients' ledgers know of the server, once it is known. */
export function ledgerContext({ upstream, classifier }: RelayServices): LedgerContext {
  const { facts, trackers } = upstream;
  if (facts === null) throw new TypeError('a client has a profile before the server is known');
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
