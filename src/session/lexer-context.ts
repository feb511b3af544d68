import { type LexerContext, lexerContext } from '../sql/lexer-context.js';
import type { SessionProfile } from './profile.js';
import type { ServerInfo } from './server-info.js';

const contexts = new WeakMap<SessionProfile, LexerContext>();

/** How the server reads the text of a client with this profile. */
export function lexerContextOf(profile: SessionProfile, server: ServerInfo): LexerContext {
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
  return context;
}
