import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { ServerAccount, Upstream } from '../../src/backend/upstream.js';
import { Capability } from '../../src/protocol/constants.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import type { TcpAddress } from '../support/listening.js';
import { loginOf } from '../support/raw-client.js';
import type { FuzzCase } from './case.js';
import type { Fuzzed } from './client-targets.js';
import { ENDS_WITHIN_MS, type Outcome } from './fuzz-client.js';
import { PacketCutter, Recorder } from './recorder.js';

/** Of the proxy with a server that says nothing more. */
const CONNECT_WITHIN_MS = 1000;
/** Of a seed: a server is asked hundreds of things at first, all in the same way. */
const MOST_WRITES = 10;
const CAPABILITIES = Capability.MultiStatements | Capability.MultiResults | Capability.PsMultiResults;

/** What a server says from its greeting on, until the first session is known to be good. */
export async function fuzzedServerLogin(upstream: string): Promise<Fuzzed> {
  const { host, port, user, password } = loginOf(upstream);
  const recorder = await Recorder.open({ host, port });
  const warm = new Opener(user, password);
  const seeds: FuzzCase[] = [];
  try {
    // The first one finds out what kind of server it is. The later ones know, and are what is fuzzed for the most part.
    for (let times = 3; times > 0; times--) await warm.open(recorder.address, ENDS_WITHIN_MS);
    for (const { greeting, exchanges } of recorder.transcripts) {
      const said = [greeting, ...exchanges.map(({ reply }) => reply)].slice(0, MOST_WRITES);
      seeds.push({ writes: said.map((bytes) => ({ bytes, waits: true })), ending: 'fin' });
    }
  } finally {
    recorder.close();
  }
  const script = new ScriptServer();
  return {
    seeds,
    width: 16,
    fixed: 0,
    run: (fuzzed) => script.play(fuzzed, (address) => outcomeOf(address, warm.again())),
    atRest: async () => [],
    report: () => '',
    close: async () => script.close(),
  };
}

/** Opens sessions of one account. */
class Opener {
  readonly #account: ServerAccount;
  readonly #user: string;
  readonly #password: string;
  #known: Upstream | null = null;

  constructor(user: string, password: string) {
    this.#user = user;
    this.#password = password;
    this.#account = new ServerAccount(user, () => password);
  }

  /** Another one, which knows of the server what this one knows. */
  again(): Opener {
    const opener = new Opener(this.#user, this.#password);
    opener.#known = this.#known;
    return opener;
  }

  async open(address: TcpAddress, connectTimeoutMs: number): Promise<void> {
    const attributes = { program_name: 'fuzz' };
    const options = { address, connectTimeoutMs, maxPreparedStatements: 10, attributes, tls: null };
    const upstream = new Upstream(options, this.#known?.registry ?? new ProfileRegistry());
    upstream.facts = this.#known?.facts ?? null;
    if (this.#known !== null) upstream.met.add(this.#account);
    const session = await upstream.open(this.#account, null, CAPABILITIES);
    this.#known ??= upstream;
    session.close();
  }
}

async function outcomeOf(address: TcpAddress, opener: Opener): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    const violations = [`hang: neither open nor failed in ${ENDS_WITHIN_MS / 1000} s`];
    timer = setTimeout(() => resolve({ signature: 'late', violations }), ENDS_WITHIN_MS);
  });
  const opened = opener.open(address, CONNECT_WITHIN_MS).then(
    () => ({ signature: 'open', violations: [] }),
    (error: unknown) => ({ signature: signatureOf(error), violations: unclear(error) }),
  );
  try {
    return await Promise.race([opened, late]);
  } finally {
    clearTimeout(timer);
  }
}

function signatureOf(error: unknown): string {
  const { code, message } = error as { code?: string; message: string };
  return `${code}: ${message
    .replaceAll(/\d+/g, 'n')
    .replaceAll(/'[^']*'/g, "'...'")
    .slice(0, 80)}`;
}

/** Whoever opens sessions reckons with errors that say what they are. */
function unclear(error: unknown): string[] {
  if (error instanceof Error && 'code' in error && error.constructor.name !== 'TypeError') return [];
  return [`an error without a code: ${error instanceof Error ? error.stack : String(error)}`];
}

/** Plays one server for each connection, each from its own case. */
class ScriptServer {
  readonly #servers: { server: Server; busy: boolean }[] = [];

  async play(fuzzed: FuzzCase, run: (address: TcpAddress) => Promise<Outcome>): Promise<Outcome> {
    let place = this.#servers.find(({ busy }) => !busy);
    if (place === undefined) {
      place = { server: createServer(), busy: true };
      this.#servers.push(place);
      place.server.listen(0, '127.0.0.1');
      await once(place.server, 'listening');
    }
    place.busy = true;
    const onSocket = (socket: Socket): void => playCase(socket, fuzzed);
    place.server.on('connection', onSocket);
    try {
      return await run({ host: '127.0.0.1', port: (place.server.address() as AddressInfo).port });
    } finally {
      place.server.off('connection', onSocket);
      place.busy = false;
    }
  }

  close(): void {
    for (const { server } of this.#servers) server.close();
  }
}

function playCase(socket: Socket, { writes, ending }: FuzzCase): void {
  const cutter = new PacketCutter();
  const left = writes.values();
  const advance = (): void => {
    for (const { bytes, waits } of left) {
      socket.write(bytes);
      if (waits) return;
    }
    if (ending === 'reset') socket.resetAndDestroy();
    else if (ending === 'fin') socket.end();
  };
  socket.setNoDelay(true).on('error', () => {});
  socket.on('data', (bytes) => {
    for (const _ of cutter.push(bytes)) advance();
  });
  advance();
}
