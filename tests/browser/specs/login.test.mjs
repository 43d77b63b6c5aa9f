import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, isCutOff, keepScreenshots, launch, logIn, openPage, openSession } from '../browser.mjs';
import { startServer } from '../server.mjs';

const TIMEOUT = { timeout: 60_000 };

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

test('the right password leads to the pages', TIMEOUT, async () => {
  const page = await openPage(browser, server.url);
  await logIn(page, server.admin);
  await page.waitForURL(/\/ui\/projects\/default\/flags$/);
  assert.deepEqual(await accessibilityFaults(page), []);
  assert.deepEqual(page.faults, []);
});

for (const theme of ['light', 'dark']) {
  test(`without having logged in, the pages lead to the log-in (${theme})`, TIMEOUT, async () => {
    const page = await openPage(browser, server.url, { theme });
    await page.goto('/ui/projects/default/flags?q=dash');
    await page.waitForURL(/\/login\?next=/);
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `login-${theme}`);
    await page.locator('[name=username]').fill(server.admin.username);
    await page.locator('[name=password]').fill(server.admin.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(/\/ui\/projects\/default\/flags\?q=dash$/);
    assert.deepEqual(page.faults, []);
  });

  test(`a wrong password says so and keeps the name (${theme})`, TIMEOUT, async () => {
    const page = await openPage(browser, server.url, { theme });
    await logIn(page, { username: 'ada', password: 'wrong' });
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByRole('alert').textContent(), 'The name or the password is wrong.');
    assert.equal(await page.locator('[name=username]').inputValue(), 'ada');
    assert.equal(await page.locator('[name=password]').inputValue(), '');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `login-refused-${theme}`);
    // The browser itself notes the answer's status.
    assert.equal(page.faults.filter((fault) => !fault.includes('status of 401')).length, 0, page.faults.join());
  });

  test(`an error page names the request (${theme})`, TIMEOUT, async () => {
    const page = await openPage(browser, server.url, { theme, session: await openSession(browser, server) });
    const answer = await page.goto('/ui/projects/nowhere/flags');
    assert.equal(answer.status(), 404);
    const id = answer.headers()['x-request-id'];
    assert.ok((await page.locator('main').textContent()).includes(id));
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `error-${theme}`);
    await page.getByRole('link', { name: 'All flags' }).click();
    await page.waitForURL(/\/ui\/projects\/default\/flags$/);
  });
}

test('it works without JavaScript, and the log-out ends the session', TIMEOUT, async () => {
  const page = await openPage(browser, server.url, { scripts: false, width: 375, height: 812 });
  await logIn(page, server.admin);
  await page.waitForURL(/\/ui\//);
  assert.equal(await isCutOff(page), false);
  const session = await page.context().storageState();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(/\/login$/);
  const again = await openPage(browser, server.url, { session });
  await again.goto('/ui');
  await again.waitForURL(/\/login\?next=/);
});
