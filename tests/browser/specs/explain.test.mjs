import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accessibilityFaults, isCutOff, keepScreenshots, launch, openPage, openSession } from '../browser.mjs';
import { startServer } from '../server.mjs';

const TIMEOUT = { timeout: 60_000 };
const FLAGS = '/ui/projects/default/flags';
const FLAG = 'feature.new-dashboard';
const NEEDED = 'experiment.checkout-redesign';
const API = `/projects/default/environments/production/flags/${FLAG}`;
const PAGE = `/ui${API}/explain`;

let server;
let browser;
let session;

before(async () => {
  server = await startServer();
  browser = await launch();
  session = await openSession(browser, server);
  const { configuration, version } = await server.api('GET', API);
  const rules = [
    {
      id: 'beta',
      description: 'those who asked for it',
      clauses: [
        {
          any: [
            { attribute: 'plan', op: 'in', values: ['pro', 'enterprise'] },
            { none: [{ attribute: 'app_version', op: 'semver_lt', values: ['2.0.0'] }] },
          ],
        },
        { attribute: 'email', op: 'ends_with', values: ['@a-rather-long-company-name.example.com'], ignore_case: true },
      ],
      serve: { variation: 'on' },
    },
  ];
  const prerequisites = [{ flag: NEEDED, variations: await variations() }];
  const changed = { configuration: { ...configuration, rules, prerequisites } };
  await server.api('PUT', API, changed, server.token, { 'If-Match': `"${version}"` });
  await server.api('PUT', `${API}/rollout`, { percentage: 40 });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function variations() {
  const flag = await server.api('GET', `/projects/default/flags/${NEEDED}`);
  return flag.variations.map(({ name }) => name);
}

async function open(path, options = {}) {
  const page = await openPage(browser, server.url, { session, ...options });
  await page.goto(path);
  return page;
}

/** Asks by the form. */
async function ask(page, key, attributes) {
  await page.getByLabel('Targeting key').fill(key);
  await page.getByLabel(/^Attributes/).fill(JSON.stringify(attributes));
  await page.getByRole('button', { name: 'Test' }).click();
  await page.waitForURL(/key=/);
}

/** Accessible and fitting at both widths, and kept to be looked at. */
async function looksRight(page, name) {
  assert.deepEqual(await accessibilityFaults(page), []);
  await keepScreenshots(page, name);
  await page.setViewportSize({ width: 375, height: 812 });
  assert.equal(await isCutOff(page), false);
  assert.deepEqual(await accessibilityFaults(page), []);
  await page.setViewportSize({ width: 1440, height: 900 });
}

for (const theme of ['light', 'dark']) {
  test(`the test of a user is accessible and fits (${theme})`, TIMEOUT, async () => {
    const page = await open(PAGE, { theme });
    await looksRight(page, `explain-form-${theme}`);
    await ask(page, 'user-42', { plan: 'free', app_version: '1.4', email: 'someone@example.org' });
    await page.getByRole('heading', { name: 'Step by step' }).waitFor();
    await page.getByText('Rule beta (those who asked for it) does not match').waitFor();
    await looksRight(page, `explain-${theme}`);
    await page.getByLabel('Or at a revision').fill('999');
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByRole('alert').filter({ hasText: 'There is no revision 999' }).waitFor();
    await looksRight(page, `explain-refused-${theme}`);
    assert.deepEqual(page.faults.filter((fault) => !fault.includes('404')), []);
  });
}

test('a user is followed into the past without JavaScript', TIMEOUT, async () => {
  const page = await open(FLAGS, { scripts: false });
  await page.getByRole('link', { name: `history of ${FLAG}` }).click();
  await page.getByRole('navigation', { name: 'Environment' }).getByRole('link', { name: 'production' }).click();
  await page.getByRole('link', { name: 'Test a user', exact: true }).click();
  await ask(page, 'user-42', { plan: 'pro', email: 'X@A-Rather-Long-Company-Name.example.com' });
  await page.getByRole('heading', { name: 'Is served on' }).waitFor();
  await page.getByText('Configured: ').waitFor();
  await page.getByRole('link', { name: 'What it was before' }).click();
  await page.getByRole('heading', { name: 'Was served off' }).waitFor();
  await page.getByText('Rule beta').waitFor({ state: 'detached' });
  // The address is the question: it can be shared.
  const again = await open(page.url(), { scripts: false });
  assert.equal(await again.getByLabel('Targeting key').inputValue(), 'user-42');
  await again.getByRole('heading', { name: 'Was served off' }).waitFor();
});
