import type { Test } from 'tap';
import { CLASSIC, loginOf, RawClient } from '../../support/raw-client.js';

/** A raw client that ends with the test. */
export async function login(t: Test, url: string, capabilities = CLASSIC): Promise<RawClient> {
  const client = await RawClient.login(loginOf(url, { capabilities }));
  t.teardown(() => client.destroy());
  return client;
}
