// Makes the flags that every client evaluates, in an empty store.

import { CONFIGURED, FLAGS, api } from './server.mjs';

const OBJECT = { title: 'Hello', sizes: [1, 2.5], nested: { on: true, off: null } };

const VARIATIONS = {
  boolean: [true, false],
  string: ['Hello, wörld', 'no'],
  integer: [42, 0],
  float: [10, 0.5],
  json: [OBJECT, {}],
};

async function create(key, type, more) {
  const [first, second] = VARIATIONS[type];
  const variations = [
    { name: 'first', value: first },
    { name: 'second', value: second },
  ];
  await api('POST', FLAGS, { key, type, variations, client_visible: true, ...more });
}

const configure = (key, configuration) => api('PATCH', `${CONFIGURED}/${key}`, { configuration });
const matches = (values) => [{ attribute: 'country', op: 'in', values }];

for (const type of Object.keys(VARIATIONS)) {
  const key = `clients.${type}`;
  await create(key, type);
  // Everybody is served the second; who is from Norway the first.
  await configure(key, { rules: [{ id: 'norway', clauses: matches(['NO']), serve: { variation: 'first' } }] });
}
await create('clients.static', 'string');
await create('clients.split', 'boolean');
await configure('clients.split', { fallthrough: { variation: null, split: { weights: { first: 50_000, second: 50_000 } } } });
await create('clients.disabled', 'string');
await configure('clients.disabled', { fallthrough: { variation: 'first' }, off_variation: 'second' });
await api('PUT', `${CONFIGURED}/clients.disabled/disable`);
await create('clients.hidden', 'boolean', { client_visible: false });
await create('clients.archived', 'boolean');
await api('DELETE', `${FLAGS}/clients.archived`);
await create('clients.changing', 'integer');
