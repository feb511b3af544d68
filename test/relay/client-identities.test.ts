import t from 'tap';
import { ServerAccount } from '../../src/backend/server-account.js';
import { ClientIdentities, type UserTerms } from '../../src/relay/client-identity.js';
import { upstreamOf } from '../backend/support/upstream.js';

const timeLimits = { query: 0, transaction: 0, idleTransaction: 0, clientIdle: 0 };

function terms(): UserTerms {
  return { account: new ServerAccount('app', () => 'secret'), timeLimits, maxClients: null };
}

t.test('who says the same is the same, as long as it is served the same', async (t) => {
  const identities = new ClientIdentities(upstreamOf({ host: '127.0.0.1', port: 1 }));
  const served = terms();
  const login = { schema: 'shop', capabilities: 0x8208, collation: 45 };
  const first = identities.get('app', served, login);
  t.equal(first.initialProfile(), null, 'the server is not known');
  t.equal(identities.get('app', served, { ...login }), first);
  t.match(first, { userName: 'app', schema: 'shop', capabilities: 0x8208, collation: 45, timeLimits });
  const others = [
    identities.get('app', served, { ...login, schema: null }),
    identities.get('app', served, { ...login, schema: 'other' }),
    identities.get('app', served, { ...login, capabilities: 0x8200 }),
    identities.get('app', served, { ...login, collation: 8 }),
    identities.get('other', served, login),
    identities.get('app', terms(), login),
  ];
  t.equal(new Set([first, ...others]).size, 7);
  // Whatever strangers ask for, few are remembered.
  for (let collation = 100; collation < 200; collation++)
    identities.get('app', served, { ...login, collation });
  const again = identities.get('app', served, login);
  t.not(again, first);
  t.match(again, { userName: 'app', schema: 'shop' });
});
