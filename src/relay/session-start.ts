import { HEADER_SIZE } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { ChangeUserCommand } from '../protocol/handshake-change-user.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import type { LoginState } from '../session/initial-profile.js';
import { SCHEMA_CHANGE } from '../session/statement-effects.js';
import { ChangeUser, type ChangeUserHost, type LoginOk } from './change-user.js';
import type { ClientIdentity } from './client-identity.js';
import { type CommandWork, SendKind } from './command-work.js';
import type { ConnectedClient } from './connected-client.js';
import { Departure } from './departure.js';
import { schemaRefused } from './guard-rails.js';
import type { RelayServices } from './relay-services.js';
import { tooManyOfUser } from './user-places.js';
import type { VirtualSession } from './virtual-session.js';

/** The connection whose session begins. */
export interface SessionStartHost {
  readonly work: CommandWork;
  readonly virtual: VirtualSession;
  /** The client has gone. */
  readonly closed: boolean;
  send(packet: Buffer): void;
  sendErr(err: ErrPacket, sequenceId: number): void;
  submit(): void;
  end(departure: string): void;
  /** In the midst of a change of user: its packets wait, or are taken again. */
  setChanging(takesPackets: boolean): void;
  /** Another user's session takes the place of the one there was. `over`: nothing of that is left on the server. */
  beginAnew(over: () => void): void;
  /** The client is logged in; it waits for the OK. */
  welcome(ok: LoginOk): void;
  /** The client has its answer: its next command may come. */
  ready(): void;
}

/** Who a client is, and the beginning of its session: answers its login and each COM_CHANGE_USER. */
export class SessionStart implements ChangeUserHost {
  readonly #client: ConnectedClient;
  readonly #services: RelayServices;
  readonly #host: SessionStartHost;
  #identity: ClientIdentity;
  /** The reply to a login or change of user, while that waits for its schema. */
  #ok: LoginOk | null = null;
  #changeUser: ChangeUser | null = null;
  /** Under whose limit the client is counted. */
  #placeOf: string | null = null;

  constructor(client: ConnectedClient, services: RelayServices, host: SessionStartHost) {
    this.#client = client;
    this.#services = services;
    this.#host = host;
    this.#identity = this.#identify(client.user.name, client);
  }

  get identity(): ClientIdentity {
    return this.#identity;
  }

  /** {@link ChangeUserHost} */
  get connectionId(): number {
    return this.#client.connectionId;
  }

  /** Whether the client still waits to hear that it is logged in. */
  get pending(): boolean {
    return this.#ok !== null;
  }

  /** Answers a login at once where its schema is known to exist, else when a session has it. */
  begin(ok: LoginOk): void {
    this.#ok = ok;
    const { schema: wanted, rails, userName } = this.#identity;
    const barred = wanted === null ? null : schemaRefused(rails, userName, wanted);
    const refused = barred ?? this.#takePlace();
    if (refused !== null) {
      this.failed(refused);
      return;
    }
    const host = this.#host;
    const { account, schema } = this.#identity;
    const schemaKnown = schema === null || this.#services.knownSchemas.has(account, schema);
    if (schemaKnown && host.virtual.state.learnProfile()) {
      this.succeeded();
      host.ready();
      return;
    }
    host.work.set(SendKind.Nothing, ReplyShape.Ok, SCHEMA_CHANGE, EMPTY, 0, 0);
    host.work.getsSchema = schema !== null;
    host.submit();
  }

  /** A session has the schema. */
  succeeded(): void {
    const ok = this.#ok;
    if (ok === null) throw new TypeError('a login is answered twice');
    this.#ok = null;
    const { account, schema } = this.#identity;
    if (schema !== null) this.#services.knownSchemas.add(account, schema);
    this.#host.welcome(ok);
  }

  /** The schema is not to be had, or no session. */
  failed(err: ErrPacket): void {
    this.#host.sendErr(err, this.#ok?.sequenceId ?? 0);
    this.#host.end(Departure.LoginRefused);
  }

  /** `[start, end)`: COM_CHANGE_USER. */
  changeUser(buf: Buffer, start: number, end: number): void {
    this.#changeUser = new ChangeUser(this, this.#services.authentication(this.#client));
    this.#changeUser.begin(buf, start, end, this.#client.capabilities, this.#identity.collation);
  }

  /** The client's next packet while its user changes. */
  receive(buf: Buffer, start: number, end: number): void {
    this.#changeUser?.receive(buf, start, end);
  }

  /** {@link ChangeUserHost} */
  send(packet: Buffer): void {
    this.#host.send(packet);
  }

  /** {@link ChangeUserHost} */
  keepPackets(): void {
    this.#host.setChanging(false);
  }

  /** {@link ChangeUserHost} */
  takePackets(): void {
    this.#host.setChanging(true);
  }

  /** {@link ChangeUserHost} */
  userChanged(command: ChangeUserCommand, userName: string, ok: LoginOk): void {
    this.#changeUser = null;
    if (this.#host.closed) return;
    this.#identity = this.#identify(userName, {
      schema: command.schema,
      capabilities: this.#client.capabilities,
      collation: command.collation ?? this.#identity.collation,
    });
    this.#host.beginAnew(() => this.begin(ok));
  }

  /** {@link ChangeUserHost} */
  userDenied(userName: string, { errno }: ErrPacket, reason: string): void {
    this.#services.observer.changeDenied?.({
      client: this.connectionId,
      user: userName.slice(0, 128),
      errno,
      reason,
    });
  }

  /** {@link ChangeUserHost}: MySQL ends the connection, MariaDB lets it go on as it was. */
  userNotChanged(): void {
    this.#changeUser = null;
    if (this.#host.closed) return;
    if (this.#services.upstream.facts?.info.flavor === 'mariadb') this.#host.ready();
    else this.#host.end(Departure.ChangeRefused);
  }

  /** The client's connection is closed. */
  over(): void {
    if (this.#placeOf !== null) this.#services.places.release(this.#placeOf);
    this.#placeOf = null;
  }

  /** @returns why there is no place for the client */
  #takePlace(): ErrPacket | null {
    this.over();
    const { userName, maxClients } = this.#identity;
    if (maxClients === null) return null;
    if (!this.#services.places.take(userName, maxClients)) return tooManyOfUser(userName, maxClients);
    this.#placeOf = userName;
    return null;
  }

  #identify(userName: string, login: LoginState): ClientIdentity {
    const services = this.#services;
    const terms = services.termsOf(userName);
    if (services.routes === null) return services.identities.get(userName, terms, login, null);
    const { schema, routing } = services.routes.of(userName, login.schema, this.#client.listener);
    const { capabilities, collation } = login;
    return services.identities.get(userName, terms, { schema, capabilities, collation }, routing);
  }
}

const EMPTY = Buffer.alloc(HEADER_SIZE);
