/** The answer to an HTTP request, whatever it says. */
export interface Answer {
  readonly status: number;
  /** Null where it is no whole JSON, such as nginx's own error pages. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

/**
 * Sends a GET.
 * @param request its number, which the app's statements carry
 * @throws when nobody answers, or `signal` is aborted
 */
export async function ask(url: string, request = 0, signal: AbortSignal | null = null): Promise<Answer> {
  const headers = { 'X-Request-Number': String(request) };
  const response = await fetch(url, { headers, signal });
  const text = await response.text();
  return { status: response.status, body: isJson(response, text) ? JSON.parse(text) : null };
}

/** Not where it was cut off: an app without Content-Length that is killed leaves an end that looks like one. */
function isJson(response: Response, text: string): boolean {
  return response.headers.get('content-type') === 'application/json' && text.endsWith('}');
}
