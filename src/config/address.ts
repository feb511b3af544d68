import { isIPv6 } from 'node:net';
import { InvalidValue, quoteValue } from './problem.js';

export interface TcpAddress {
  readonly kind: 'tcp';
  /** A name or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** The name that `host` is one of the addresses of, where it is known by that. */
  readonly name?: string;
  /** 0 to 65535; 0, when listening, is any free port. */
  readonly port: number;
}

export interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
}

export type Address = TcpAddress | UnixAddress;

/** `sockaddr_un` has 108 bytes with its terminating NUL; a longer path would be cut off by the kernel's interface. */
const LONGEST_SOCKET_PATH = 107;
const HOST_NAME = /^[^\s/\\[\]()<>"'@:?#,]+$/;

/** @throws InvalidValue, without quoting the path: it may be a part of a URL with a password. */
export function checkSocketPath(path: string): string {
  if (path === '') throw new InvalidValue('names no path for the unix socket');
  if (path.includes('\0')) throw new InvalidValue('has a NUL byte in the path of the unix socket');
  if (Buffer.byteLength(path) > LONGEST_SOCKET_PATH) {
    throw new InvalidValue(`has a unix socket path of more than ${LONGEST_SOCKET_PATH} bytes`);
  }
  return path;
}

/** The host of `HOST` or `[IPv6]`, or null when it is neither. */
export function parseHost(text: string): string | null {
  const bracketed = /^\[(.*)\]$/.exec(text)?.[1];
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : null;
  return HOST_NAME.test(text) ? text : null;
}

/** A port, or null when the text is none within the bounds. */
export function parsePort(text: string, least: 0 | 1): number | null {
  if (!/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port >= least && port <= 65_535 ? port : null;
}

/** `HOST:PORT` or `[IPv6]:PORT`. @throws InvalidValue */
export function parseTcpAddress(text: string): TcpAddress {
  const colon = text.lastIndexOf(':');
  const hostText = colon < 0 ? text : text.slice(0, colon);
  const portText = colon < 0 ? '' : text.slice(colon + 1);
  if (/^\d{1,5}$/.test(text))
    throw new InvalidValue(`${quoteValue(text)} names no host (did you mean 127.0.0.1:${text}?)`);
  if (isIPv6(text) || (hostText.includes(':') && !hostText.startsWith('['))) {
    throw new InvalidValue(
      `${quoteValue(text)} has an IPv6 address without brackets; write it as [::1]:6033`,
    );
  }
  if (hostText === '')
    throw new InvalidValue(
      `${quoteValue(text)} names no host; write 0.0.0.0:PORT to listen on all addresses`,
    );
  const host = parseHost(hostText);
  if (host === null) throw new InvalidValue(`${quoteValue(text)} has no valid host before the port`);
  if (portText === '') throw new InvalidValue(`${quoteValue(text)} names no port; write HOST:PORT`);
  const port = parsePort(portText, 0);
  if (port === null)
    throw new InvalidValue(`${quoteValue(text)} has a port that is not a number from 0 to 65535`);
  return { kind: 'tcp', host, port };
}

/** An address to listen on: `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH`. @throws InvalidValue */
export function parseListenAddress(text: string): Address {
  if (text.startsWith('unix:')) return { kind: 'unix', path: checkSocketPath(text.slice('unix:'.length)) };
  if (text.startsWith('/'))
    throw new InvalidValue(`${quoteValue(text)} is a path (did you mean unix:${text}?)`);
  return parseTcpAddress(text);
}

/** The text that `parseListenAddress` reads back. */
export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
