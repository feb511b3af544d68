import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { AuthExchange } from '../../../src/frontend/auth-exchange.js';
import type { AuthStep } from '../../../src/frontend/auth-step.js';
import { Frontend, type FrontendOptions } from '../../../src/frontend/frontend.js';
import type { LoginResult } from '../../../src/frontend/login-result.js';
import { PasswordHasher } from '../../../src/frontend/password-hasher.js';
import { RsaKeys } from '../../../src/frontend/rsa-keys.js';
import { type Authenticator, type LocalUser, LocalUsers } from '../../../src/frontend/users.js';
import { Capability, Command, ServerError, Status } from '../../../src/protocol/constants.js';
import { encodeErr, encodeErrPacket, encodeOk } from '../../../src/protocol/generic-response.js';
import { decodeChangeUser } from '../../../src/protocol/handshake-change-user.js';
import type { ServerInfo } from '../../../src/session/server-info.js';

export const MARIADB: ServerInfo = {
  flavor: 'mariadb',
  versionText: '5.5.5-10.11.19-MariaDB-0+deb12u1',
  versionNumber: 101119,
  collation: 45,
  capabilities: 0x81fffef7,
};
export const MYSQL: ServerInfo = {
  flavor: 'mysql',
  versionText: '9.7.4-2',
  versionNumber: 90704,
  collation: 255,
  capabilities: 0xdfffffff,
};

/** What MySQL 9.7.4 stored for `secret pass`: 10,000 rounds. */
const STORED = {
  rounds: 10_000,
  salt: Buffer.from('1B717179484E3F6F740B38617B4A0B25581F6F39', 'hex'),
  digest: 'tg6yuVH14ecw2aC.QVhe3BUXb.5xme4rKsvHqi7T/H1',
};

export const USERS: readonly LocalUser[] = [
  { name: 'app', secret: { password: 'secret' } },
  { name: 'jürgen', secret: { password: 'pässwörd' } },
  { name: 'nopass', secret: { password: '' } },
  { name: 'hashed', secret: { hash: STORED } },
];
export const HASHED_PASSWORD = 'secret pass';

export interface LogLine {
  readonly level: 'debug' | 'warn' | 'error';
  readonly fields: { readonly user?: unknown; readonly errno?: unknown; readonly reason?: unknown };
  readonly message: string;
}

export interface Harness {
  readonly frontend: Frontend;
  /** Of the first TCP listener. */
  readonly port: number;
  readonly socketPath: string;
  readonly logins: LoginResult[];
  readonly log: LogLine[];
}

type Overrides = Partial<FrontendOptions> & { readonly server?: ServerInfo };

/** A frontend on loopback and on a unix socket that is stopped, with its clients, when the test ends. */
export async function startHarness(t: Test, overrides: Overrides = {}): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-frontend-'));
  const socketPath = join(folder, 'client.sock');
  const logins: LoginResult[] = [];
  const log: LogLine[] = [];
  const server = overrides.server ?? MARIADB;
  const logger = (level: LogLine['level']) => (fields: object, message: string) => {
    log.push({ level, fields: { ...fields }, message });
  };
  let connectionId = 0x80000000;
  const frontend = new Frontend({
    listen: [
      { kind: 'tcp', host: '127.0.0.1', port: 0 },
      { kind: 'unix', path: socketPath },
    ],
    unixSocketMode: 0o777,
    maxClients: 100,
    maxClientsReason: `max_client_conn is ${overrides.maxClients ?? 100}`,
    loginTimeoutMs: 30_000,
    users: new LocalUsers(USERS, new PasswordHasher()),
    keys: new RsaKeys(),
    tls: null,
    tlsRequired: false,
    log: { debug: logger('debug'), warn: logger('warn'), error: logger('error') },
    serverInfo: () => server,
    whenServerKnown: () => Promise.resolve(server),
    nextConnectionId: () => ++connectionId,
    onLogin: (login) => {
      logins.push(login);
      serve(login);
    },
    ...overrides,
  });
  await frontend.start();
  t.teardown(async () => {
    frontend.stop();
    frontend.destroyLingering();
    for (const login of logins) login.socket.destroy();
    await rm(folder, { recursive: true });
  });
  const [tcp] = frontend.addresses;
  if (tcp?.kind !== 'tcp') throw new Error('the first listener is not TCP');
  return { frontend, port: tcp.port, socketPath, logins, log };
}

/** Answers the login, then commands: enough for drivers, which set autocommit and names on their own. */
export function serve(
  login: LoginResult,
  users: Authenticator = new LocalUsers(USERS, new PasswordHasher()),
): void {
  const { socket } = login;
  const talk = new Conversation(login, users);
  socket.on('close', login.release);
  socket.on('data', (chunk: Buffer) => talk.receive(chunk));
  const ok = encodeOk(login.sequenceId, { status: Status.Autocommit, info: login.info });
  socket.write(Buffer.concat([login.preface, ok]));
  talk.receive(login.rest);
  socket.resume();
}

/** The command phase, for one client. */
class Conversation {
  readonly #login: LoginResult;
  readonly #users: Authenticator;
  #pending = Buffer.alloc(0);
  #exchange: AuthExchange | null = null;

  constructor(login: LoginResult, users: Authenticator) {
    this.#login = login;
    this.#users = users;
  }

  receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 4 && this.#pending.length >= 4 + this.#pending.readUIntLE(0, 3)) {
      const end = 4 + this.#pending.readUIntLE(0, 3);
      const payload = this.#pending.subarray(4, end);
      const sequenceId = (this.#pending[3] as number) + 1;
      this.#pending = this.#pending.subarray(end);
      if (this.#exchange === null) this.#command(payload);
      else void this.#step(this.#exchange.receive(payload, sequenceId), sequenceId);
    }
  }

  #command(payload: Buffer): void {
    const { socket } = this.#login;
    switch (payload[0]) {
      case Command.Quit:
        socket.end();
        return;
      case Command.ChangeUser:
        this.#changeUser(payload);
        return;
      case Command.Ping:
      case Command.Query:
      case Command.InitDb:
      case Command.SetOption:
        socket.write(encodeOk(1, { status: Status.Autocommit }));
        return;
      default:
        socket.write(encodeErr(1, ServerError.UnknownCommand, 'Unknown command'));
    }
  }

  #changeUser(payload: Buffer): void {
    const { capabilities, collation, scramble, secure } = this.#login;
    const command = decodeChangeUser(payload, capabilities, collation);
    this.#exchange = new AuthExchange({
      users: this.#users,
      keys: new RsaKeys(),
      scramble,
      announced: 'mysql_native_password',
      secure,
      host: 'somewhere',
      fingerprint: this.#login.fingerprint,
    });
    const request = {
      user: command.user,
      plugin: command.plugin,
      response: command.authResponse,
      canSwitch: (capabilities & Capability.PluginAuth) !== 0,
      answersScramble: false,
    };
    void this.#step(this.#exchange.begin(request, 1), 1);
  }

  async #step(pending: AuthStep | Promise<AuthStep>, sequenceId: number): Promise<void> {
    const { socket } = this.#login;
    const step = await pending;
    switch (step.kind) {
      case 'send':
        socket.write(step.packet);
        return;
      case 'denied':
        this.#exchange = null;
        socket.write(encodeErrPacket(sequenceId, step.err));
        return;
      case 'accepted': {
        this.#exchange = null;
        const info = Buffer.from(`now ${step.user.name}`);
        if (step.preface !== null) socket.write(step.preface);
        const okId = step.preface === null ? sequenceId : sequenceId + 1;
        socket.write(encodeOk(okId, { status: Status.Autocommit, info }));
      }
    }
  }
}
