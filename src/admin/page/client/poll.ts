import type { Status } from '../../status-document.js';

const EVERY_MS = 2_000;
const PATIENCE_MS = 5_000;
/** One answer may go astray. */
const AGAIN_MS = 500;

export interface Listener {
  answered(status: Status): void;
  /** There was no answer, and to the next question neither. */
  failed(): void;
}

/** Asks for the status again and again, but not while nobody sees the page. */
export function poll({ answered, failed }: Listener): void {
  let timer: number | undefined;
  let asking = false;
  let failures = 0;
  const ask = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    const status = await fetchStatus();
    asking = false;
    failures = status === null ? failures + 1 : 0;
    if (status !== null) answered(status);
    else if (failures > 1) failed();
    schedule();
  };
  const schedule = (): void => {
    clearTimeout(timer);
    if (!document.hidden) timer = window.setTimeout(() => void ask(), failures === 1 ? AGAIN_MS : EVERY_MS);
  };
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) void ask();
  });
  if (!document.hidden) void ask();
}

async function fetchStatus(): Promise<Status | null> {
  try {
    const response = await fetch('status', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.ok ? ((await response.json()) as Status) : null;
  } catch {
    return null;
  }
}
