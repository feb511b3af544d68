import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';

/** Where distributions put it. */
const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Nothing but what the test asks for; and the tests may run as root. */
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const MISSING = 'Chromium is missing: install chromium';

/** Runs a test with a browser that has seen nothing yet. Without Chromium it is a skip that says so; in CI, a failure. */
export async function withChromium(
  t: Test,
  name: string,
  run: (t: Test, browser: BrowserContext) => Promise<void>,
): Promise<void> {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  const skip = executablePath === undefined && process.env['CI'] !== 'true';
  await t.test(name, skip ? { skip: MISSING } : { timeout: 200_000 }, async (t) => {
    if (executablePath === undefined) {
      t.fail(MISSING);
      return;
    }
    const profile = await mkdtemp(join(tmpdir(), 'mybouncer-chromium-'));
    t.teardown(() => rm(profile, { recursive: true, maxRetries: 10, retryDelay: 100 }));
    const browser = await chromium.launchPersistentContext(profile, { executablePath, args: ARGS });
    t.teardown(() => browser.close());
    await run(t, browser);
  });
}

/** Texts of less than WCAG's 4.5 to 1 against what they stand on. */
export const TOO_FAINT = `(() => {
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const back = (one) => {
    const colour = rgb(getComputedStyle(one).backgroundColor);
    return colour.length < 4 || colour[3] > 0 ? colour : back(one.parentElement);
  };
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.offsetParent !== null && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
    .filter((one) => {
      const [a, b] = [light(rgb(getComputedStyle(one).color)), light(back(one))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    })
    .map((one) => one.outerHTML.slice(0, 80));
})()`;

/** Tables whose columns or rows have no heading, and regions without a name. */
export const UNNAMED = `[...document.querySelectorAll('table')].filter((table) =>
    [...table.tHead.rows[0].cells].some((cell) => cell.scope !== 'col' || cell.textContent === '') ||
    [...table.tBodies[0].rows].some((row) => row.cells[0].scope !== 'row') ||
    document.getElementById(table.parentElement.getAttribute('aria-labelledby'))?.textContent === '')
  .map((table) => table.outerHTML.slice(0, 80))`;

/** What a page did that it should not: messages on its console, errors, dialogs, requests to anywhere else. */
export class Watched {
  readonly page: Page;
  readonly complaints: string[] = [];
  /** Paths asked for. */
  readonly asked: string[] = [];

  constructor(page: Page, origin: string) {
    this.page = page;
    page.on('console', (message) => this.complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => this.complaints.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin) this.complaints.push(`request: ${url}`);
      this.asked.push(url.pathname);
    });
  }

  static async open(browser: BrowserContext, http: string): Promise<Watched> {
    const watched = new Watched(await browser.newPage(), http);
    await watched.load(http);
    return watched;
  }

  /** Until the first answer is shown. */
  async load(http: string): Promise<void> {
    await this.page.goto(`${http}/`);
    await this.page.waitForSelector('#main[aria-busy="false"]');
  }

  /** What the script says of the page. */
  async value<T>(script: string): Promise<T> {
    return (await this.page.evaluate(script)) as T;
  }

  async text(selector: string): Promise<string> {
    return (await this.page.locator(selector).innerText()).replaceAll('\u00a0', ' ');
  }

  /** Cells of the rows of a list. */
  rows(id: string): Promise<string[][]> {
    return this.value(
      `[...document.querySelectorAll('#${id} tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent.replaceAll('\\u00a0', ' ')))`,
    );
  }

  /** A number at the top. */
  tile(name: string): Promise<string> {
    return this.text(`[data-tile="${name}"] .value`);
  }

  /** What stands below it. */
  note(name: string): Promise<string> {
    return this.text(`[data-tile="${name}"] .note`);
  }

  /** How many points of a chart have the colour of one of its lines, more or less. */
  painted(chart: string, colour: string): Promise<number> {
    return this.value(`(() => {
      const probe = document.createElement('i');
      probe.style.color = getComputedStyle(document.documentElement).getPropertyValue('--${colour}');
      document.body.append(probe);
      const want = getComputedStyle(probe).color.match(/[0-9]+/g).map(Number);
      probe.remove();
      const { width, height } = document.querySelector('#chart-${chart} canvas');
      const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      copy.drawImage(document.querySelector('#chart-${chart} canvas'), 0, 0);
      const { data } = copy.getImageData(0, 0, width, height);
      let found = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 200 && want.every((value, j) => Math.abs(value - data[i + j]) < 24)) found++;
      }
      return found;
    })()`);
  }
}
