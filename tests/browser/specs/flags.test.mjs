import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, isCutOff, keepScreenshots, launch, openPage, openSession } from '../browser.mjs';
import { startServer } from '../server.mjs';

const TIMEOUT = { timeout: 60_000 };
const FLAGS = '/ui/projects/default/flags';
const DASHBOARD = 'feature.new-dashboard';

let server;
let browser;
let session;

before(async () => {
  server = await startServer();
  browser = await launch();
  session = await openSession(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(options = {}) {
  const page = await openPage(browser, server.url, { session, ...options });
  await page.goto(FLAGS);
  return page;
}

const switchOf = (page, environment, flag = DASHBOARD) =>
  page.getByRole('switch', { name: `${flag} in ${environment}`, exact: true });

for (const theme of ['light', 'dark']) {
  test(`the list is accessible and fits (${theme})`, TIMEOUT, async () => {
    const page = await open({ theme });
    assert.equal(await page.locator('tbody tr').count(), 9);
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `flags-${theme}`);
    await page.setViewportSize({ width: 375, height: 812 });
    assert.equal(await isCutOff(page), false);
    assert.deepEqual(await accessibilityFaults(page), []);
    assert.deepEqual(page.faults, []);
  });
}

test('what nobody made yet is explained', TIMEOUT, async () => {
  await server.api('POST', '/projects', { key: 'empty', name: 'Empty' });
  const page = await open();
  await page.goto('/ui/projects/empty/flags');
  await page.getByRole('heading', { name: 'No flags yet' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'flags-none-light');
  assert.deepEqual(page.faults, []);
});

test('search and filters are addresses', TIMEOUT, async () => {
  const page = await open();
  await page.keyboard.press('/');
  await page.keyboard.type('checkout');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\?q=checkout$/);
  assert.deepEqual(await page.locator('tbody th .key').allTextContents(), ['experiment.checkout-redesign']);
  await page.getByRole('link', { name: /^Turned off/ }).click();
  await page.waitForURL(/\?q=checkout&show=off$/);
  await page.getByText('No flag matches').waitFor();
  assert.deepEqual(page.faults, []);
});

test('a switch turns in place', TIMEOUT, async () => {
  const page = await open();
  const toggle = switchOf(page, 'development');
  assert.equal(await toggle.getAttribute('aria-checked'), 'true');
  await toggle.focus();
  await page.keyboard.press('Space');
  await page.locator(`[id="switch-development-${DASHBOARD}"][aria-checked=false]`).waitFor();
  assert.equal(await server.enabled('development', DASHBOARD), false);
  assert.equal(await page.evaluate(() => document.activeElement.id), `switch-development-${DASHBOARD}`);
  await toggle.click();
  await page.locator(`[id="switch-development-${DASHBOARD}"][aria-checked=true]`).waitFor();
  assert.equal(await server.enabled('development', DASHBOARD), true);
  assert.equal(page.url(), `${server.url}${FLAGS}`);
  assert.deepEqual(page.faults, []);
});

test('production asks first', TIMEOUT, async () => {
  const page = await open();
  const toggle = switchOf(page, 'production');
  await toggle.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(`Turn ${DASHBOARD} off in production?`).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'flags-confirm-light');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await server.enabled('production', DASHBOARD), true);

  await toggle.click();
  await dialog.getByRole('button', { name: 'Turn off in production' }).click();
  await page.locator(`[id="switch-production-${DASHBOARD}"][aria-checked=false]`).waitFor();
  assert.equal(await server.enabled('production', DASHBOARD), false);
  assert.deepEqual(page.faults, []);
  await server.api('PUT', `/projects/default/environments/production/flags/${DASHBOARD}/enable`);
});

test('without JavaScript every switch works, and production asks on a page', TIMEOUT, async () => {
  const page = await open({ scripts: false });
  await page.goto(`${FLAGS}?q=dashboard`);
  await switchOf(page, 'staging').click();
  await page.waitForURL(/\?q=dashboard$/);
  await switchOf(page, 'staging').and(page.locator('[aria-checked=false]')).waitFor();
  assert.equal(await server.enabled('staging', DASHBOARD), false);

  await switchOf(page, 'production').click();
  await page.waitForURL(/\/disable\?q=dashboard$/);
  assert.equal(await server.enabled('production', DASHBOARD), true);
  await page.getByRole('heading', { name: 'Turn off in production' }).waitFor();
  await page.getByRole('button', { name: 'Turn off in production' }).click();
  await page.waitForURL(/\?q=dashboard$/);
  assert.equal(await server.enabled('production', DASHBOARD), false);
  await server.api('PUT', `/projects/default/environments/production/flags/${DASHBOARD}/enable`);
});

for (const theme of ['light', 'dark']) {
  test(`the page that asks is accessible (${theme})`, TIMEOUT, async () => {
    const page = await open({ theme });
    await page.goto(`/ui/projects/default/environments/production/flags/${DASHBOARD}/disable?q=dash`);
    // Who moves: the flag is seeded with a share in production.
    await page.getByText(/lose on|nobody gains anything/).waitFor();
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `flags-confirm-page-${theme}`);
    assert.deepEqual(page.faults, []);
  });
}

test('a refusal is told and nothing changes', TIMEOUT, async () => {
  const page = await open();
  await page.evaluate(() => {
    for (const field of document.querySelectorAll('[name=csrf_token]')) field.value = 'of another session';
  });
  await switchOf(page, 'development').click();
  await page.getByText('Nothing was changed.').waitFor();
  assert.match(await page.locator('#toast').textContent(), /The form is of another session; .* again\. Request id /);
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'flags-refused-light');
  assert.equal(await server.enabled('development', DASHBOARD), true);
});

test('a session that ends elsewhere leads to the log-in', TIMEOUT, async () => {
  const own = await openSession(browser, server);
  const page = await openPage(browser, server.url, { session: own });
  const other = await openPage(browser, server.url, { session: own });
  await page.goto(FLAGS);
  await other.goto(FLAGS);
  await other.getByRole('button', { name: 'Log out' }).click();
  await other.waitForURL(/\/login$/);
  await switchOf(page, 'development').click();
  await page.waitForURL(/\/login\?next=%2Fui%2Fprojects%2Fdefault%2Fflags$/);
});
