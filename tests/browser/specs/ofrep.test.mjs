// OFREP from pages of other origins: what a real browser lets them read.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { launch, openPage } from '../browser.mjs';
import { startServer } from '../server.mjs';

const TIMEOUT = { timeout: 120_000 };

let server;
let browser;
let site;

before(async () => {
  server = await startServer();
  browser = await launch();
  site = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>A shop</title>'));
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
});

after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
});

/** The same pages by two names are pages of two origins. */
const origin = (host) => `http://${host}:${site.address().port}`;

async function clientKey(...allowed_origins) {
  const environment = { project: 'default', environment: 'production' };
  const { token } = await server.api('POST', '/tokens', { kind: 'client_key', name: 'web', ...environment, allowed_origins });
  return token;
}

/** Asks from a page; the error when the browser keeps the answer from it. */
async function ask(from, path, headers, body = '{"context":{"targetingKey":"u"}}') {
  const page = await openPage(browser, origin(from));
  await page.goto('/');
  try {
    return await page.evaluate(
      async ([url, headers, body]) => {
        const sent = { 'Content-Type': 'application/json', ...headers };
        const answer = await fetch(url, { method: 'POST', headers: sent, body }).catch((error) => ({ error }));
        if (answer.error) {
          return { error: String(answer.error) };
        }
        const text = await answer.text();
        return { status: answer.status, etag: answer.headers.get('etag'), body: text && JSON.parse(text) };
      },
      [`${server.url}/ofrep/v1/evaluate/flags${path}`, headers, body],
    );
  } finally {
    await page.context().close();
  }
}

test('a page of an origin that the key allows reads answers, their tags and errors', TIMEOUT, async () => {
  const key = await clientKey(origin('127.0.0.1'));
  for (const headers of [{ Authorization: `Bearer ${key}` }, { 'X-API-Key': key }]) {
    const all = await ask('127.0.0.1', '', headers);
    assert.equal(all.status, 200);
    assert.ok(Array.isArray(all.body.flags));
    assert.match(all.etag, /^"/);
    const same = await ask('127.0.0.1', '', { ...headers, 'If-None-Match': all.etag });
    assert.deepEqual(same, { status: 304, etag: all.etag, body: '' });
  }
  const unknown = await ask('127.0.0.1', '/none', { 'X-API-Key': key });
  assert.deepEqual([unknown.status, unknown.body.errorCode], [404, 'FLAG_NOT_FOUND']);
  const garbage = await ask('127.0.0.1', '', { 'X-API-Key': key }, '{');
  assert.deepEqual([garbage.status, garbage.body.errorCode], [400, 'PARSE_ERROR']);
  const stranger = await ask('127.0.0.1', '', { 'X-API-Key': 'bw_pub_none' });
  assert.equal(stranger.status, 401);
});

test('a page of another origin reads nothing', TIMEOUT, async () => {
  const here = await clientKey(origin('127.0.0.1'));
  assert.match((await ask('localhost', '', { 'X-API-Key': here })).error, /Failed to fetch/, 'no key allows it');
  // Now the preflight passes, as another key allows the origin; the answer stays closed all the same.
  const there = await clientKey(origin('localhost'));
  assert.equal((await ask('localhost', '', { 'X-API-Key': there })).status, 200);
  assert.match((await ask('localhost', '', { 'X-API-Key': here })).error, /Failed to fetch/);
  const serverKey = server.environments.production.server_key;
  assert.match((await ask('localhost', '', { 'X-API-Key': serverKey })).error, /Failed to fetch/);
});

test('a key for every origin is one', TIMEOUT, async () => {
  const key = await clientKey('*');
  for (const from of ['127.0.0.1', 'localhost']) {
    assert.equal((await ask(from, '', { 'X-API-Key': key })).status, 200);
  }
});
