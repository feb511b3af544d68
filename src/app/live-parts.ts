import type { Logger } from 'pino';
import type { ServerAccount } from '../backend/upstream.js';
import type { LiveConfig } from '../config/live-config.js';
import type { RelayServices } from '../relay/relay-services.js';
import { CloseReason } from '../relay/session-cleaner.js';
import type { ClientTls } from './client-tls.js';
import type { ConfiguredUsers } from './configured-users.js';
import { dialAgain } from './dial-again.js';
import { type ClientPlaces, clientPlaces } from './options.js';
import type { Sizing } from './pool-sizing.js';

/** The parts that have to do something about a new value: the others read it when they need it. */
export interface LiveParts {
  readonly users: ConfiguredUsers;
  readonly sizing: Sizing;
  readonly tls: ClientTls;
  readonly services: RelayServices;
  readonly log: Logger;
}

/** Tells the parts of the proxy which of their keys have changed. @returns how many clients there may be */
export function followChanges(live: LiveConfig, parts: LiveParts): ClientPlaces {
  const { users, sizing, tls, services, log } = parts;
  const { values } = live;
  live.on(['log_level'], () => {
    log.level = values.logLevel;
  });
  live.on(['users', 'upstream'], () => {
    for (const account of users.apply()) dialAgain(services, account);
  });
  live.on(['pool_size', 'reserve'], () => sizing.changed());
  live.on(['tls_cert', 'tls_key', 'tls_client_ca'], () => tls.apply(values));
  live.on(['server_check_interval'], () => {
    for (const server of services.servers.all) server.troubled();
  });
  live.on(['on_unsafe'], () => services.unsafe.apply(values.onUnsafe));
  const places = clientPlaces(values);
  live.on(['max_client_conn', 'pool_size'], () => Object.assign(places, clientPlaces(values)));
  return places;
}

/** Gives up what is kept for accounts that no user is listed with any more, once their last client has gone. */
export function sweepAccounts(retired: readonly ServerAccount[], services: RelayServices): void {
  if (retired.length === 0) return;
  const { clients, pools, servers, routines, knownSchemas } = services;
  const inUse = new Set<ServerAccount>();
  for (const { account } of clients) inUse.add(account);
  for (const account of retired) {
    if (inUse.has(account) || !pools.dismiss((target) => target.account === account, CloseReason.UserGone))
      continue;
    servers.forget(account);
    routines.forget(account);
    knownSchemas.forgetAccount(account);
  }
}
