import { type Address, formatAddress } from './address.js';
import type { Config } from './load.js';
import { camelCase, type KeyName, keyInfo } from './schema.js';
import { formatDuration, formatSize } from './units.js';
import { formatUrl } from './upstream.js';

/** The value that a key has, as it would be written; passwords are masked. */
export function valueText(name: KeyName, config: Config): string {
  if (name === 'upstream')
    return formatUrl(config.upstream).replace(/:\/\/([^:@/]*):[^@]*@/, '://$1:[secret]@');
  if (name === 'users') return config.users.map((user) => user.name).join(', ');
  const value = (config as unknown as Readonly<Record<string, unknown>>)[camelCase(name)];
  if (value === null) return name === 'http' ? 'off' : '';
  switch (keyInfo(name).placeholder) {
    case 'DURATION':
      return formatDuration(value as number);
    case 'SIZE':
      return formatSize(value as number);
    case 'SHARE':
      return typeof value === 'number' ? `${Math.round(value * 10_000) / 100}%` : JSON.stringify(value);
    case 'ADDRESS':
      return [value]
        .flat()
        .map((one) => formatAddress(one as Address))
        .join(', ');
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}
