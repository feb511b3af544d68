import { type LexerContext, lexerContext } from '../sql/lexer-context.js';
import type { SessionProfile } from './profile.js';
import type { ServerInfo } from './server-info.js';

const contexts = new WeakMap<SessionProfile, LexerContext>();

/** What was asked for last: nearly always the same again, and found without hashing. */
let lastProfile: SessionProfile | null = null;
let lastContext: LexerContext | null = null;

/** How the server reads the text of a client with this profile. */
export function lexerContextOf(profile: SessionProfile, server: ServerInfo): LexerContext {
  if (profile === lastProfile && lastContext !== null) return lastContext;
  let context = contexts.get(profile);
  if (context === undefined) {
    const modes = new Set((profile.variable('sql_mode') ?? '').split(','));
    context = lexerContext({
      charset: profile.variable('character_set_client') ?? 'utf8mb4',
      ansiQuotes: modes.has('ANSI_QUOTES'),
      noBackslashEscapes: modes.has('NO_BACKSLASH_ESCAPES'),
      mariadb: server.flavor === 'mariadb',
      serverVersion: server.versionNumber,
    });
    contexts.set(profile, context);
  }
  lastProfile = profile;
  lastContext = context;
  return context;
}
