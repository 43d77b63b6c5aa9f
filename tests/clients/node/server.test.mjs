// @openfeature/server-sdk with @openfeature/ofrep-provider: one request per evaluation.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { ErrorCode, OpenFeature, StandardResolutionReasons as Reason } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

import { clientKey, gone, serverKey, url } from './server.mjs';

const NORWAY = { targetingKey: 'user-1', country: 'NO' };
const OBJECT = { title: 'Hello', sizes: [1, 2.5], nested: { on: true, off: null } };

let domains = 0;

async function client(headers, baseUrl = url) {
  const domain = `domain-${++domains}`;
  await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
  return OpenFeature.getClient(domain);
}

const bearer = (key) => [['Authorization', `Bearer ${key}`]];
const server = await client(bearer(serverKey));

after(() => OpenFeature.close());

for (const [kind, headers] of [
  ['a server key', bearer(serverKey)],
  ['a client key', bearer(clientKey)],
  ['X-API-Key', [['X-API-Key', clientKey]]],
]) {
  test(`every type, with ${kind}`, async () => {
    const flags = await client(headers);
    assert.equal(await flags.getBooleanValue('clients.boolean', false, NORWAY), true);
    assert.equal(await flags.getStringValue('clients.string', '', NORWAY), 'Hello, wörld');
    assert.equal(await flags.getNumberValue('clients.integer', -1, NORWAY), 42);
    assert.equal(await flags.getNumberValue('clients.float', -1, NORWAY), 10);
    assert.deepEqual(await flags.getObjectValue('clients.json', {}, NORWAY), OBJECT);
    const elsewhere = { targetingKey: 'user-1', country: 'SE' };
    assert.equal(await flags.getBooleanValue('clients.boolean', true, elsewhere), false);
    assert.equal(await flags.getStringValue('clients.string', '', elsewhere), 'no');
    assert.equal(await flags.getNumberValue('clients.integer', -1, elsewhere), 0);
    assert.equal(await flags.getNumberValue('clients.float', -1, elsewhere), 0.5);
    assert.deepEqual(await flags.getObjectValue('clients.json', { x: 1 }, elsewhere), {});
  });
}

test('a value comes with its variant, reason and metadata', async () => {
  const details = await server.getBooleanDetails('clients.boolean', false, NORWAY);
  assert.equal(details.variant, 'first');
  assert.equal(details.reason, Reason.TARGETING_MATCH);
  assert.equal(details.flagMetadata.rule, 'norway');
  assert.equal(typeof details.flagMetadata.version, 'number');
  assert.equal(typeof details.flagMetadata.revision, 'number');
});

test('every reason', async () => {
  const reason = async (key, context) => (await server.getStringDetails(key, 'default', context)).reason;
  assert.equal(await reason('clients.static', {}), Reason.STATIC);
  assert.equal(await reason('clients.string', { country: 'SE' }), Reason.DEFAULT);
  assert.equal(await reason('clients.string', NORWAY), Reason.TARGETING_MATCH);
  const split = await server.getBooleanDetails('clients.split', false, NORWAY);
  assert.equal(split.reason, Reason.SPLIT);
  assert.equal(split.errorCode, undefined);
});

test('a disabled flag serves its off variation', async () => {
  const details = await server.getStringDetails('clients.disabled', 'default', NORWAY);
  assert.deepEqual([details.value, details.variant, details.reason], ['no', 'second', Reason.DISABLED]);
});

test('without a context', async () => {
  assert.equal(await server.getBooleanValue('clients.boolean', true), false);
});

/** The default is served, with this error. */
function failed(details, value, code) {
  assert.deepEqual([details.value, details.reason, details.errorCode], [value, Reason.ERROR, code]);
}

test('an unknown flag', async () => {
  for (const key of ['clients.none', 'clients.archived', 'with/a/slash', 'with%2Fa', 'with a space', 'ø']) {
    failed(await server.getBooleanDetails(key, true, NORWAY), true, ErrorCode.FLAG_NOT_FOUND);
  }
});

test('a flag that a client key may not see', async () => {
  const flags = await client(bearer(clientKey));
  failed(await flags.getBooleanDetails('clients.hidden', true, NORWAY), true, ErrorCode.FLAG_NOT_FOUND);
  assert.equal((await server.getBooleanDetails('clients.hidden', true, NORWAY)).errorCode, undefined);
});

test('a value of another type', async () => {
  failed(await server.getBooleanDetails('clients.string', true, NORWAY), true, ErrorCode.TYPE_MISMATCH);
  failed(await server.getStringDetails('clients.integer', 'x', NORWAY), 'x', ErrorCode.TYPE_MISMATCH);
  failed(await server.getNumberDetails('clients.json', 7, NORWAY), 7, ErrorCode.TYPE_MISMATCH);
  failed(await server.getObjectDetails('clients.boolean', { a: 1 }, NORWAY), { a: 1 }, ErrorCode.TYPE_MISMATCH);
});

test('a missing targeting key', async () => {
  const details = await server.getBooleanDetails('clients.split', true, { country: 'NO' });
  failed(details, true, ErrorCode.TARGETING_KEY_MISSING);
  assert.match(details.errorMessage, /targetingKey/);
});

test('a key that is not known, or none', async () => {
  for (const headers of [bearer('bw_sdk_none'), [['X-API-Key', 'none']], []]) {
    const flags = await client(headers);
    failed(await flags.getBooleanDetails('clients.boolean', false, NORWAY), false, ErrorCode.GENERAL);
  }
});

test('a credential of another kind', async () => {
  const flags = await client(bearer(process.env.BELLWETHER_TOKEN));
  failed(await flags.getBooleanDetails('clients.boolean', false, NORWAY), false, ErrorCode.GENERAL);
});

test('a server that is gone', async () => {
  const flags = await client(bearer(serverKey), gone);
  failed(await flags.getStringDetails('clients.string', 'default', NORWAY), 'default', ErrorCode.GENERAL);
});
