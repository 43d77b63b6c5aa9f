// Debian's Chromium, and the pages in it.

import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

// As root Chromium has no sandbox; the rest keeps it from calling hosts that no test has any business with.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const ANSWER_WITHIN_MS = 15_000;
const SCREENSHOTS = fileURLToPath(new URL('screenshots/', import.meta.url));

/** The two widths at which every page is looked at, with a fitting height. */
export const SIZES = [
  { width: 1440, height: 900 },
  { width: 375, height: 812 },
];

/** A headless Chromium with an empty profile: the one at `CHROMIUM`, or Debian's. Whoever launches it closes it. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
}

/**
 * A page in a context of its own, so without anybody's cookies but those of `session`, which `openSession` gave. Its `faults` are what went wrong in it unseen: scripts
 * that threw, and what the console calls an error, the content policy's refusals among them.
 */
export async function openPage(
  browser,
  url,
  { width = 1440, height = 900, theme = 'light', scripts = true, session } = {},
) {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width, height },
    colorScheme: theme,
    javaScriptEnabled: scripts,
    storageState: session,
  });
  context.setDefaultTimeout(ANSWER_WITHIN_MS);
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') {
      page.faults.push(`${message.text()} (${message.location().url})`);
    }
  });
  return page;
}

/** Logs in by the form. */
export async function logIn(page, { username, password }) {
  await page.goto('/login');
  await page.locator('[name=username]').fill(username);
  await page.locator('[name=password]').fill(password);
  await page.locator('[name=password]').press('Enter');
}

/** Logs in, and gives the session for other pages: tries to log in are few in a minute. */
export async function openSession(browser, server) {
  const page = await openPage(browser, server.url);
  await logIn(page, server.admin);
  await page.waitForURL(/\/ui\//);
  const session = await page.context().storageState();
  await page.context().close();
  return session;
}

/** Keeps the page as it stands, at both widths, for a person to look at. */
export async function keepScreenshots(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  const before = page.viewportSize();
  for (const size of SIZES) {
    await page.setViewportSize(size);
    await page.screenshot({ path: `${SCREENSHOTS}${name}-${size.width}.png`, fullPage: true });
  }
  await page.setViewportSize(before);
}

/** Whether the page is wider than the window. */
export function isCutOff(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

/** What axe-core has against the page as it stands, a line each. */
export async function accessibilityFaults(page) {
  // Evaluated by the debugger, which the page's content policy does not hold back as it would a script tag.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`);
}
