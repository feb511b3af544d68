import { type Address, formatAddress } from './address.js';
import type { Config } from './load.js';
import { camelCase, type KeyName, keyInfo } from './schema.js';
import type { ServerEntry } from './servers.js';
import { formatDuration, formatSize } from './units.js';
import { formatUrl } from './upstream.js';

/** The value that a key has, as it could be written; a password is masked, and of users there are only the names. */
export function valueText(name: KeyName, config: Config): string {
  switch (name) {
    case 'upstream':
      return formatUrl(config.upstream).replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:[secret]@');
    case 'servers':
      return config.servers.map(serverText).join(', ');
    case 'pools':
      return config.pools.map(({ name, role }) => `${name} (${role})`).join(', ');
    case 'users':
      return config.users.map((user) => user.name).join(', ');
    case 'unix_socket_mode':
      return `0${config.unixSocketMode.toString(8).padStart(3, '0')}`;
    case 'reserve':
      return 'share' in config.reserve ? percent(config.reserve.share) : String(config.reserve.count);
    case 'on_unsafe': {
      const actions = new Set(Object.values(config.onUnsafe));
      return actions.size === 1 ? [...actions].join() : JSON.stringify(config.onUnsafe);
    }
    case 'max_held':
      return percent(config.maxHeld);
    default:
      return textOf(name, (config as unknown as Readonly<Record<string, unknown>>)[camelCase(name)]);
  }
}

function serverText({ name, address, role, addresses, weight }: ServerEntry): string {
  const at = formatAddress(address);
  const which = addresses === 'all' ? ['all addresses'] : [];
  const more = [
    ...(name === at ? [] : [at]),
    role,
    ...which,
    ...(weight === null ? [] : [`weight ${weight}`]),
  ];
  return `${name} (${more.join(', ')})`;
}

function textOf(name: KeyName, value: unknown): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (value === null) return keyInfo(name).defaultText === 'off' || name === 'http' ? 'off' : '';
  switch (keyInfo(name).placeholder) {
    case 'DURATION':
      return formatDuration(value as number);
    case 'SIZE':
      return formatSize(value as number);
    case 'ADDRESS':
      return [value]
        .flat()
        .map((one) => formatAddress(one as Address))
        .join(', ');
    case 'NAMES':
      return (value as readonly string[]).join(', ');
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`;
}
