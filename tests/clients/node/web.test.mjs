// @openfeature/web-sdk with @openfeature/ofrep-web-provider: all flags in one request, kept, and asked for again.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';

import { ErrorCode, OpenFeature, ProviderEvents, StandardResolutionReasons as Reason } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';

import { CONFIGURED, api, clientKey, gone, serverKey, url } from './server.mjs';

const NORWAY = { targetingKey: 'user-1', country: 'NO' };
const OBJECT = { title: 'Hello', sizes: [1, 2.5], nested: { on: true, off: null } };

let domains = 0;

/** A client whose flags were fetched for a context, and the statuses of the server's answers. */
async function client(context, { headers = [['Authorization', `Bearer ${clientKey}`]], baseUrl = url, ...more } = {}) {
  const domain = `domain-${++domains}`;
  const statuses = [];
  const fetchImplementation = async (request) => {
    const answer = await fetch(request);
    statuses.push(answer.status);
    return answer;
  };
  await OpenFeature.setContext(domain, context);
  const provider = new OFREPWebProvider({ baseUrl, headers, fetchImplementation, cacheMode: 'disabled', ...more });
  await OpenFeature.setProviderAndWait(domain, provider);
  return { domain, flags: OpenFeature.getClient(domain), provider, statuses };
}

after(() => OpenFeature.close());

for (const [kind, headers] of [
  ['a client key', [['Authorization', `Bearer ${clientKey}`]]],
  ['X-API-Key', [['X-API-Key', clientKey]]],
]) {
  test(`every type, with ${kind}`, async () => {
    const { flags, statuses } = await client(NORWAY, { headers });
    assert.equal(flags.getBooleanValue('clients.boolean', false), true);
    assert.equal(flags.getStringValue('clients.string', ''), 'Hello, wörld');
    assert.equal(flags.getNumberValue('clients.integer', -1), 42);
    assert.equal(flags.getNumberValue('clients.float', -1), 10);
    assert.deepEqual(flags.getObjectValue('clients.json', {}), OBJECT);
    assert.deepEqual(statuses, [200], 'one request for all of them');
  });
}

test('a value comes with its variant, reason and metadata', async () => {
  const { flags } = await client(NORWAY);
  const details = flags.getBooleanDetails('clients.boolean', false);
  assert.deepEqual([details.variant, details.reason], ['first', Reason.TARGETING_MATCH]);
  assert.equal(details.flagMetadata.rule, 'norway');
  assert.equal(flags.getStringDetails('clients.static', '').reason, Reason.STATIC);
  assert.equal(flags.getBooleanDetails('clients.split', false).reason, Reason.SPLIT);
  const disabled = flags.getStringDetails('clients.disabled', 'default');
  assert.deepEqual([disabled.value, disabled.variant, disabled.reason], ['no', 'second', Reason.DISABLED]);
});

test('another context is served something else', async () => {
  const { domain, flags, statuses } = await client(NORWAY);
  // The client sends the ETag of before, as long as the targeting key is the same.
  await OpenFeature.setContext(domain, { targetingKey: 'user-1', country: 'SE' });
  const details = flags.getStringDetails('clients.string', '');
  assert.deepEqual([details.value, details.reason], ['no', Reason.DEFAULT]);
  await OpenFeature.setContext(domain, { ...NORWAY, targetingKey: 'user-2' });
  assert.equal(flags.getStringValue('clients.string', ''), 'Hello, wörld');
  assert.deepEqual(statuses, [200, 200, 200]);
});

test('what has not changed is not sent again, and what has is', async () => {
  const { flags, statuses } = await client(NORWAY, { pollInterval: 50 });
  assert.equal(flags.getNumberValue('clients.changing', -1), 0);
  for (const end = Date.now() + 20_000; statuses.length < 3 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(statuses.slice(0, 3), [200, 304, 304]);
  const changed = new Promise((resolve) => flags.addHandler(ProviderEvents.ConfigurationChanged, resolve));
  await api('PATCH', `${CONFIGURED}/clients.changing`, { configuration: { fallthrough: { variation: 'first' } } });
  const event = await Promise.race([changed, once(AbortSignal.timeout(20_000), 'abort')]);
  assert.ok(event.flagsChanged?.includes('clients.changing'), 'the change arrived');
  assert.equal(flags.getNumberValue('clients.changing', -1), 42);
  assert.ok(statuses.every((status) => status === 200 || status === 304), String(statuses));
});

/** The default is served, with this error. */
function failed(details, value, code) {
  assert.deepEqual([details.value, details.reason, details.errorCode], [value, Reason.ERROR, code]);
}

test('an unknown flag', async () => {
  const { flags } = await client(NORWAY);
  for (const key of ['clients.none', 'clients.archived', 'clients.hidden']) {
    failed(flags.getBooleanDetails(key, true), true, ErrorCode.FLAG_NOT_FOUND);
  }
  const server = await client(NORWAY, { headers: [['Authorization', `Bearer ${serverKey}`]] });
  assert.equal(server.flags.getBooleanDetails('clients.hidden', true).errorCode, undefined);
});

test('a value of another type', async () => {
  const { flags } = await client(NORWAY);
  failed(flags.getBooleanDetails('clients.string', true), true, ErrorCode.TYPE_MISMATCH);
  failed(flags.getStringDetails('clients.integer', 'x'), 'x', ErrorCode.TYPE_MISMATCH);
  failed(flags.getNumberDetails('clients.json', 7), 7, ErrorCode.TYPE_MISMATCH);
  failed(flags.getObjectDetails('clients.boolean', { a: 1 }), { a: 1 }, ErrorCode.TYPE_MISMATCH);
});

test('a missing targeting key', async () => {
  const { flags } = await client({ country: 'NO' });
  failed(flags.getBooleanDetails('clients.split', true), true, ErrorCode.TARGETING_KEY_MISSING);
  assert.equal(flags.getBooleanValue('clients.boolean', false), true, 'the others have their values');
});

test('a key that is not known, or none', async () => {
  for (const headers of [[['Authorization', 'Bearer bw_pub_none']], [['X-API-Key', 'none']], []]) {
    await assert.rejects(client(NORWAY, { headers }), (error) => error.code === ErrorCode.PROVIDER_FATAL);
    const flags = OpenFeature.getClient(`domain-${domains}`);
    failed(flags.getBooleanDetails('clients.boolean', false), false, ErrorCode.PROVIDER_FATAL);
  }
});

test('a server that is gone', async () => {
  await assert.rejects(client(NORWAY, { baseUrl: gone }));
  const flags = OpenFeature.getClient(`domain-${domains}`);
  const details = flags.getStringDetails('clients.string', 'default');
  assert.deepEqual([details.value, details.reason], ['default', Reason.ERROR]);
});
