import { ITEM_FLAGS, ITEM_HOLDS } from './item-words.js';
import type { LexerContext } from './lexer-context.js';
import { areNameable } from './select-items.js';
import { StatementForm } from './statement-form.js';
import { type RememberedStatement, StatementMemory } from './statement-memory.js';
import { Details, type Hazards, NO_HAZARDS, StatementScanner } from './statement-scanner.js';
import { Flag, StatementKind, type StatementTraits } from './traits.js';
import { traitsOf } from './traits-table.js';

/** Texts of more bytes are not remembered as such. */
export const MAX_CACHED_STATEMENT = 1024;
/** Texts of more bytes are not looked for by their form: reading them takes no longer. */
const MAX_FORMED_STATEMENT = 8 * 1024;
/** Bytes of a form that is remembered. */
const MAX_CACHED_FORM = 4 * 1024;

/** Statements that may have a form: those of {@link tellsByForm} begin so. By first and third letter, which tell them from most others. */
const FORMED: ReadonlySet<string> = new Set(['sl', 'is', 'ud', 'dl', 'rp', 'wt']);
const LETTERS = 32;
const MAY_HAVE_FORM = Uint8Array.from({ length: LETTERS * LETTERS }, (_, i) => {
  const letter = (bits: number): string => String.fromCharCode(0x60 | bits);
  return FORMED.has(letter(i >> 5) + letter(i & (LETTERS - 1))) ? 1 : 0;
});

function mayHaveForm(buf: Buffer, start: number, end: number): boolean {
  if (end - start < 8 || end - start > MAX_FORMED_STATEMENT) return false;
  const first = buf[start] as number;
  // Comments and parentheses may stand before it.
  if (first < 0x40) return true;
  return MAY_HAVE_FORM[((first & 31) << 5) | ((buf[start + 2] as number) & 31)] === 1;
}

/**
 * Whether all texts of the same form have these traits: of one statement that only reads or changes rows, in which nothing
 * depends on what a literal says, or on how many there are in a row.
 */
function tellsByForm(traits: StatementTraits): boolean {
  switch (traits.first) {
    case StatementKind.Select:
    case StatementKind.Insert:
    case StatementKind.Replace:
    case StatementKind.Update:
    case StatementKind.Delete:
      return traits.statements === 1 && (traits.flags & Flag.Undecidable) === 0 && !asksForDetails(traits);
    default:
      return false;
  }
}

/** Most statements call nothing of which there is more to be told. */
function asksForDetails({ flags, holds }: StatementTraits): boolean {
  if ((flags & Flag.Undecidable) !== 0) return false;
  return (flags & (ITEM_FLAGS | Flag.MayRunRoutine)) !== 0 || (holds & ITEM_HOLDS) !== 0;
}

/** A statement that comes in pieces. */
export interface StatementReading {
  /** Takes the next bytes of its text, cut anywhere: `buf[start]` up to `buf[end]`, which are not kept. */
  push(buf: Buffer, start: number, end: number): void;
  /** To be called once. */
  finish(): StatementTraits;
}

/**
 * Tells the traits of statements, and remembers those that come again: short ones by their exact bytes; statements that read and
 * change rows by their {@link StatementForm}, so that those with other literals are recognised as well. Both are bounded.
 */
export class StatementClassifier<D = never> {
  /** That which {@link classify} was asked for last; null where it is not remembered. All that share it have the same digest. */
  remembered: RememberedStatement<D> | null = null;
  readonly #texts: StatementMemory<D>;
  readonly #forms: StatementMemory<D>;
  readonly #form = new StatementForm();
  #scanner: StatementScanner | null = null;
  #hazards: Hazards = NO_HAZARDS;

  /** @param limit most statements to remember, each up to 1 KiB, and a quarter as many forms, up to 4 KiB each; 0 for none */
  constructor(limit: number) {
    this.#texts = new StatementMemory(limit);
    this.#forms = new StatementMemory(limit / 4);
  }

  /**
   * Names in lower case of routines, views, and tables with triggers whose use does to a session what no tracker shows, and the
   * bits of {@link Hold} that it amounts to. A statement with such a name in it, whatever the name's schema and place, has
   * these bits and is no plain read. All that is remembered is forgotten; statements under way know the old names.
   */
  set hazards(hazards: Hazards) {
    this.#hazards = new Map(hazards);
    this.#texts.clear();
    this.#forms.clear();
  }

  get hazards(): Hazards {
    return this.#hazards;
  }

  /** The traits of the text `buf[start]` up to, not including, `buf[end]`. */
  classify(buf: Buffer, start: number, end: number, context: LexerContext): StatementTraits {
    const texts = this.#texts;
    const forms = this.#forms;
    const form = this.#form;
    const hasForm =
      !forms.isOff &&
      mayHaveForm(buf, start, end) &&
      form.take(buf, start, end, context) &&
      form.length <= MAX_CACHED_FORM;
    let known = hasForm ? forms.find(form.bytes, 0, form.length, context) : null;
    const isShort = end - start <= MAX_CACHED_STATEMENT && !texts.isOff;
    if (known === null && isShort) known = texts.find(buf, start, end, context);
    this.remembered = known;
    if (known !== null) return known.traits;
    const traits = this.#scan(buf, start, end, context);
    if (hasForm && tellsByForm(traits))
      this.remembered = forms.enter(form.bytes, 0, form.length, context, traits);
    else if (isShort) this.remembered = texts.enter(buf, start, end, context, traits);
    return traits;
  }

  /**
   * For a statement that is not at hand as a whole. Any number of them may be under way. Their traits list neither
   * {@link StatementTraits.sessionValues} nor {@link StatementTraits.lockColumns}.
   */
  begin(context: LexerContext): StatementReading {
    const scanner = new StatementScanner(context);
    scanner.begin(context, Details.Names, this.#hazards);
    return scanner;
  }

  #scan(buf: Buffer, start: number, end: number, context: LexerContext): StatementTraits {
    this.#scanner ??= new StatementScanner(context);
    const scanner = this.#scanner;
    const details = this.#hazards.size > 0 ? Details.Names : Details.None;
    scanner.begin(context, details, this.#hazards);
    scanner.push(buf, start, end);
    const traits = scanner.finish();
    if (!asksForDetails(traits)) return traits;
    scanner.begin(context, Details.All, this.#hazards);
    scanner.push(buf, start, end);
    const all = scanner.finish();
    return areNameable(all.sessionValues, buf, start) ? all : traitsOf({ ...all, sessionValues: [] });
  }
}
