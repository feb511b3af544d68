/*
 * The client's end of a connection, as text: `7f000001:40000>6033` for TCP (the client's address and port, and the port it is
 * connected to), `unix:4711` for a unix socket (the inode of the *proxy's* end: that of the client's end is not known to us).
 */

/** @param address As Node writes it: IPv4, IPv6 (with a zone, or IPv4 inside). Null when it is neither. */
export function tcpEndpoint(address: string, port: number, serverPort: number): string | null {
  const hex = addressHex(address);
  // Joined, it is one string; added up, it is a chain of them, for as long as the client is there.
  return hex === null ? null : [hex, ':', port, '>', serverPort].join('');
}

export function unixEndpoint(inode: string): string {
  return `unix:${inode}`;
}

/** Most clients come from the same few hosts: of the last address it is known. */
let lastAddress = '';
let lastHex: string | null = null;

/** 8 hex digits for IPv4 (also where it is written inside IPv6), 32 for IPv6. Null when it is neither. */
export function addressHex(text: string): string | null {
  if (text !== lastAddress) {
    lastHex = hexOf(text);
    lastAddress = text;
  }
  return lastHex;
}

function hexOf(text: string): string | null {
  const [address = ''] = text.split('%');
  const colon = address.lastIndexOf(':');
  if (colon < 0) return ipv4Hex(address);
  const tail = address.slice(colon + 1);
  if (!tail.includes('.')) return ipv6Hex(address);
  const inner = ipv4Hex(tail);
  if (inner === null) return null;
  return ipv6Hex(`${address.slice(0, colon)}:${inner.slice(0, 4)}:${inner.slice(4)}`);
}

function ipv4Hex(address: string): string | null {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || !bytes.every((byte) => byte >= 0 && byte <= 255)) return null;
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function ipv6Hex(address: string): string | null {
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = 8 - before.length - after.length;
  if (zeros < 0 || (zeros > 0 && tail === undefined)) return null;
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return withoutMapping(groups.map((group) => group.toLowerCase().padStart(4, '0')).join(''));
}

const MAPPED = '0'.repeat(20).concat('ffff');

/** An IPv4 address is one address, also where a socket for IPv6 has it. */
export function withoutMapping(hex: string): string {
  return hex.length === 32 && hex.startsWith(MAPPED) ? hex.slice(MAPPED.length) : hex;
}

/** Whether an address can only be this network namespace's own. */
export function isLoopbackHex(hex: string): boolean {
  return hex.length === 8 ? hex.startsWith('7f') : hex === `${'0'.repeat(31)}1`;
}
