import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, isCutOff, keepScreenshots, launch, openPage, openSession } from '../browser.mjs';
import { startServer } from '../server.mjs';
import { drive } from '../traffic.mjs';

const TIMEOUT = { timeout: 120_000 };
const PLACE = 'environments/production/flags';
const SEEDED = 'canary.new-payment-processor';

let server;
let browser;
let session;

before(async () => {
  server = await startServer('--window-seconds', '1', '--grace-seconds', '1');
  browser = await launch();
  session = await openSession(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const address = (flag) => `/ui/projects/default/${PLACE}/${flag}/canary`;
const api = (flag) => `/projects/default/${PLACE}/${flag}/canary`;

async function open(flag, options = {}) {
  const page = await openPage(browser, server.url, { session, ...options });
  await page.goto(address(flag));
  return page;
}

/** A flag with a canary whose first stage is longer than any test. */
async function canary(flag, stages = [{ percentage: 10, minimum_seconds: 600 }, { percentage: 50 }, { percentage: 100 }]) {
  await server.api('POST', '/projects/default/flags', { key: flag, type: 'boolean', name: 'A new way to pay' });
  await server.api('PUT', api(flag), { stages });
}

/** Fills the form of an action in and sends it. */
async function act(page, button, reason, flag) {
  await page.getByRole('button', { name: button, exact: true }).click();
  const form = page.locator('[popover]:popover-open');
  await form.getByLabel('Reason').fill(reason);
  await form.getByLabel('to confirm').fill(flag);
  await form.getByRole('button', { name: new RegExp(`^${button.replace(' again', '')} in production$`) }).click();
}

const badge = (page, state) => page.locator('#head .badge', { hasText: new RegExp(`^${state}$`) });

test('without a canary the page says how to make one', TIMEOUT, async () => {
  const page = await open('feature.new-dashboard');
  await page.getByRole('heading', { name: 'No canary in production' }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'canary-none-light');
  assert.deepEqual(page.faults, []);
});

for (const theme of ['light', 'dark']) {
  test(`a draft shows its stages and guards (${theme})`, TIMEOUT, async () => {
    const page = await open(SEEDED, { theme });
    await badge(page, 'draft').waitFor();
    assert.equal(await page.locator('.stages li').count(), 5);
    assert.equal(await page.locator('.guard').count(), 5);
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `canary-draft-${theme}`);
    assert.deepEqual(page.faults, []);
  });
}

test('a canary is taken back by its guard while the page is open', TIMEOUT, async () => {
  const flag = 'canary.pay';
  await canary(flag);
  const page = await open(flag);
  await act(page, 'Start', 'first release', flag);
  await badge(page, 'running').waitFor();
  await page.evaluate(() => {
    globalThis.untouched = true;
  });

  let failing = false;
  let ended = false;
  const traffic = drive(server, {
    environment: 'production',
    flag,
    goes: () => !ended,
    errors: () => (failing ? 0.12 : 0.01),
    latency: () => (failing ? 140 : 100),
  });
  try {
    await page.locator('.guard', { hasText: 'errors' }).getByText('fine', { exact: true }).first().waitFor();
    await page.locator('.trend svg').first().waitFor();
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, 'canary-running-light');

    // A form that is open while the figures change stays as it is.
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    const form = page.locator('[popover]:popover-open');
    await form.getByLabel('Reason').fill('a look at the logs');
    const judged = async () => Number(await page.locator('dt:text-is("Windows judged") + dd').textContent());
    const before = await judged();
    await page.waitForFunction((seen) => Number(document.evaluate('//dt[text()="Windows judged"]/following-sibling::dd',
      document, null, XPathResult.STRING_TYPE).stringValue) > seen, before);
    assert.equal(await form.getByLabel('Reason').inputValue(), 'a look at the logs');

    failing = true;
    await badge(page, 'rolled back').waitFor({ timeout: 60_000 });
    assert.equal(await form.count(), 0, 'what can no longer be done is closed');
  } finally {
    ended = true;
    await traffic;
  }
  assert.equal(await page.evaluate(() => globalThis.untouched), true, 'the page was not loaded again');
  assert.match(await page.title(), /^rolled back · canary\.pay/);
  assert.match(await page.locator('#announcement').textContent(), /canary\.pay in production is now rolled back/);
  const banner = page.locator('.banner');
  assert.match(await banner.textContent(), /Taken back .* after the first bad window/);
  assert.match(await banner.textContent(), /on the canary/);
  assert.match(await banner.textContent(), /Revision \d+ waits for instances/);
  assert.match(await page.locator('.decisions li').first().textContent(), /Rolled back by the guards/);
  assert.match(await page.getByRole('table', { name: 'Top errors' }).textContent(), /POST \/pay 502/);
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    assert.deepEqual(await accessibilityFaults(page), []);
    await keepScreenshots(page, `canary-rolled-back-${theme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 375, height: 812 });
  assert.equal(await isCutOff(page), false);

  await page.getByRole('link', { name: 'See the evidence' }).click();
  await page.waitForURL(/\/verdicts\//);
  assert.equal(await isCutOff(page), false);
  await page.setViewportSize({ width: 1440, height: 900 });
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'canary-record-light');
  const record = await page.request.get(await page.getByRole('link', { name: 'The record as JSON' }).getAttribute('href'));
  assert.equal((await record.json()).decision, 'rollback');

  await page.goto('/ui/projects/default/flags?show=rolled-back');
  assert.deepEqual(await page.locator('tbody th .key').allTextContents(), [flag]);
  await page.getByRole('link', { name: new RegExp(`^rolled back ?: canary of ${flag} in production`) }).waitFor();
  await page.getByRole('link', { name: /^Canaries 1 rolled back/ }).waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'flags-rolled-back-light');
  assert.deepEqual(page.faults, []);
});

test('a person pauses, resumes, advances and promotes', TIMEOUT, async () => {
  const flag = 'canary.mail';
  await canary(flag);
  const page = await open(flag);
  await act(page, 'Start', 'first release', flag);
  await badge(page, 'running').waitFor();
  await act(page, 'Pause', 'a look at the logs', flag);
  await badge(page, 'paused').waitFor();
  assert.match(await page.locator('.banner').textContent(), /Paused by admin.*A look at the logs/s);
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'canary-paused-light');
  await act(page, 'Resume', 'all is well', flag);
  await badge(page, 'running').waitFor();
  await act(page, 'Advance', 'faster', flag);
  await page.locator('.stages [aria-current=step]', { hasText: '50 %' }).waitFor();
  await page.goto('/ui/projects/default/flags?q=mail');
  await page.getByRole('link', { name: new RegExp(`^canary 2/3 · 50 % ?: canary of ${flag} in production`) }).waitFor();
  await page.goto(address(flag));
  await act(page, 'Promote', 'it does well', flag);
  await badge(page, 'promoted').waitFor();
  const log = await page.locator('.decisions li p').allTextContents();
  assert.deepEqual(
    log.map((line) => line.replace(/\s+/g, ' ').trim()),
    [
      'Promoted by admin it does well',
      'Advanced to 50 % by admin faster',
      'Resumed by admin all is well',
      'Paused by admin a look at the logs',
      'Started at 10 % by admin first release',
    ],
  );
  await keepScreenshots(page, 'canary-promoted-light');
  assert.deepEqual(page.faults, []);
});

test('without JavaScript the forms work, and a wrong confirmation comes back as typed', TIMEOUT, async () => {
  const flag = 'canary.search';
  await canary(flag);
  const page = await open(flag, { scripts: false });
  await act(page, 'Start', 'first release', 'canary.serach');
  const fault = page.locator('[role=alert]');
  await fault.waitFor({ state: 'attached' });
  assert.equal(await fault.textContent(), 'Nothing was changed. Type canary.search to confirm.');
  assert.equal(await page.locator('[name=reason]').first().inputValue(), 'first release');
  assert.equal(await page.locator('[name=confirmation]').first().inputValue(), 'canary.serach');
  await page.goto(address(flag));
  await act(page, 'Start', 'first release', flag);
  await badge(page, 'running').waitFor();
});

test('a refused form opens again and says why', TIMEOUT, async () => {
  const flag = 'canary.refused';
  await canary(flag);
  const page = await open(flag);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  // Somebody else was faster.
  await server.api('POST', `${api(flag)}/start`, { reason: 'by the API' });
  const form = page.locator('[popover]:popover-open');
  await form.getByLabel('Reason').fill('first release');
  await form.getByLabel('to confirm').fill(flag);
  await form.getByRole('button', { name: 'Start in production' }).click();
  await page.getByText('a release runs already').waitFor();
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, 'canary-refused-light');
});
