import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { SIZES, isCutOff, keepScreenshots, launch, openPage } from '../browser.mjs';
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

/** The page with its operations shown. */
async function openDocs(size) {
  const page = await openPage(browser, server.url, size);
  await page.goto('/docs');
  await page.locator('.opblock').first().waitFor();
  return page;
}

for (const size of SIZES) {
  test(`every operation is shown, ${size.width} px wide`, TIMEOUT, async () => {
    const page = await openDocs(size);
    const { paths } = await (await fetch(`${server.url}/openapi.json`)).json();
    const described = Object.values(paths).flatMap((item) => Object.keys(item)).length;
    assert.equal(await page.locator('.opblock').count(), described);
    assert.equal(await isCutOff(page), false);
    assert.deepEqual(page.faults, []);
  });

  test(`an operation shows its parameters, body and answers, ${size.width} px wide`, TIMEOUT, async () => {
    const page = await openDocs(size);
    const operation = page.locator('.opblock', { hasText: 'Replaces how an environment serves a flag' });
    await operation.locator('.opblock-summary-control').click();
    await operation.getByText('Request body').waitFor();
    await operation.getByText('If-Match', { exact: true }).first().waitFor();
    await operation.locator('.responses-table').waitFor();
    assert.equal(await isCutOff(page), false);
    assert.deepEqual(page.faults, []);
  });
}

test('an operation can be tried with a token', TIMEOUT, async () => {
  const page = await openDocs();
  await keepScreenshots(page, 'docs');
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  const token = page.locator('.auth-container', { hasText: 'service_token' });
  await token.locator('input').fill(server.token);
  await token.getByRole('button', { name: /^Apply/ }).click();
  await page.locator('.btn-done').first().click();
  const operation = page.locator('.opblock', { hasText: 'Lists the projects, by key.' });
  await operation.locator('.opblock-summary-control').click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  await operation.getByRole('button', { name: 'Execute' }).click();
  await operation.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
  await keepScreenshots(page, 'docs-tried');
  assert.deepEqual(page.faults, []);
});
