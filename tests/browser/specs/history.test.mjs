import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, isCutOff, keepScreenshots, launch, openPage, openSession } from '../browser.mjs';
import { startServer } from '../server.mjs';

const TIMEOUT = { timeout: 60_000 };
const FLAGS = '/ui/projects/default/flags';
const FLAG = 'feature.new-dashboard';
const API = `/projects/default/environments/production/flags/${FLAG}`;
const HISTORY = `/ui${API}/history`;

let server;
let browser;
let session;

before(async () => {
  server = await startServer();
  browser = await launch();
  session = await openSession(browser, server);
  await server.api('PUT', `${API}/rollout`, { percentage: 25 });
  await server.api('PUT', `${API}/rollout`, { percentage: 40 });
  await server.api('PUT', `${API}/targets/on/a-user-with-a-rather-long-key@example.com`);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(path, options = {}) {
  const page = await openPage(browser, server.url, { session, ...options });
  await page.goto(path);
  return page;
}

/** Accessible and fitting at both widths, and kept to be looked at. */
async function looksRight(page, name) {
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, name);
  await page.setViewportSize({ width: 375, height: 812 });
  assert.equal(await isCutOff(page), false);
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.deepEqual(page.faults, []);
}

for (const theme of ['light', 'dark']) {
  test(`the pages of the history are accessible and fit (${theme})`, TIMEOUT, async () => {
    let page = await open(HISTORY, { theme });
    await page.getByRole('heading', { name: 'in force' }).waitFor();
    await looksRight(page, `history-${theme}`);
    page = await open(`${HISTORY}/3/restore`, { theme });
    await page.getByRole('heading', { name: `Restore version 3 of ${FLAG} in production` }).waitFor();
    await looksRight(page, `restore-${theme}`);
  });

  test(`the pages of many flags and of the archive are accessible and fit (${theme})`, TIMEOUT, async () => {
    await server.api('POST', '/projects/default/flags', { key: `feature.over-${theme}`, type: 'boolean' });
    const over = { action: 'archive', flags: [`feature.over-${theme}`] };
    await server.api('POST', '/projects/default/flags:bulk', over);
    let page = await open(`${FLAGS}?show=archived`, { theme });
    await page.getByRole('link', { name: `Bring back… feature.over-${theme}` }).waitFor();
    await looksRight(page, `archive-${theme}`);
    await page.getByRole('link', { name: `Purge… feature.over-${theme}` }).click();
    await page.getByText('are removed for good').waitFor();
    await looksRight(page, `purge-${theme}`);

    page = await open(FLAGS, { theme });
    for (const box of await page.getByRole('checkbox', { name: /^Choose / }).all()) {
      await box.check();
    }
    await page.getByLabel('With those chosen').selectOption({ label: 'Archive' });
    await page.getByRole('button', { name: 'Go on…' }).click();
    await page.getByRole('checkbox', { name: /^Yes: \d+ of the \d+ flags in use$/ }).waitFor();
    await looksRight(page, `bulk-${theme}`);
  });
}

test('an old version is restored without JavaScript, after its key was typed', TIMEOUT, async () => {
  const page = await open(FLAGS, { scripts: false });
  await page.getByRole('link', { name: `history of ${FLAG}` }).click();
  await page.waitForURL(/\/history$/);
  await page.getByRole('navigation', { name: 'Environment' }).getByRole('link', { name: 'production' }).click();
  await page.getByRole('link', { name: 'Restore… version 3' }).click();
  await page.getByText(/% lose .?on/).waitFor();
  await page.getByLabel(/^Reason/).fill('too early');
  await page.getByLabel(/^Type/).fill(FLAG);
  await page.getByRole('button', { name: 'Restore in production' }).click();
  await page.waitForURL(/\/history$/);
  await page.getByText('Version 3 restored').waitFor();
  await page.getByText('too early').waitFor();
  const { configuration } = await server.api('GET', API);
  assert.equal(configuration.fallthrough.split.weights.on, 25_000);
  assert.equal(configuration.targets, undefined);
});

test('two flags are turned off in production at once', TIMEOUT, async () => {
  const page = await open(FLAGS);
  const flags = [FLAG, 'experiment.checkout-redesign'];
  for (const flag of flags) {
    await page.getByRole('checkbox', { name: `Choose ${flag}` }).check();
  }
  await page.getByLabel('With those chosen').selectOption({ label: 'Turn off in production' });
  await page.getByRole('button', { name: 'Go on…' }).click();
  await page.getByRole('heading', { name: 'Turn 2 flags off in production' }).waitFor();
  await page.getByLabel(/^Type/).fill('production');
  await page.getByRole('button', { name: 'Turn off in production' }).click();
  await page.waitForURL(/\/flags$/);
  for (const flag of flags) {
    assert.equal(await server.enabled('production', flag), false);
  }
  assert.deepEqual(page.faults, []);
});

test('an archived flag is brought back', TIMEOUT, async () => {
  await server.api('POST', '/projects/default/flags', { key: 'feature.back', type: 'boolean' });
  await server.api('POST', '/projects/default/flags:bulk', { action: 'archive', flags: ['feature.back'] });
  const page = await open(FLAGS);
  await page.getByRole('link', { name: /^Archived/ }).click();
  await page.getByRole('link', { name: 'Bring back… feature.back' }).click();
  await page.getByLabel(/^Type/).fill('feature.back');
  await page.getByRole('button', { name: 'Bring back' }).click();
  await page.waitForURL(/show=archived$/);
  assert.equal(await server.enabled('production', 'feature.back'), true);
  assert.deepEqual(page.faults, []);
});
