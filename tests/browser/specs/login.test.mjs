import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, launch, logIn, openPage } from '../browser.mjs';
import { startServer } from '../server.mjs';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the right password leads to the pages', { timeout: 60_000 }, async () => {
  const page = await openPage(browser, server.url);
  await logIn(page, server.admin);
  await page.waitForURL(/\/ui(\/|$)/);
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.deepEqual(page.faults, []);
});

test('without having logged in, the pages lead to the log-in', { timeout: 60_000 }, async () => {
  const page = await openPage(browser, server.url);
  await page.goto('/ui');
  await page.waitForURL(/\/login/);
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.deepEqual(page.faults, []);
});
