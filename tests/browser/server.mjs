// A real server on a database of its own, seeded, with the credentials that `init` gave out.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const BINARY = resolve(
  PROJECT,
  process.env.BELLWETHER_BIN ?? join(process.env.CARGO_TARGET_DIR ?? 'target', 'debug', 'bellwether'),
);

const READY_WITHIN_MS = 30_000;
const STOPPED_WITHIN_MS = 10_000;
const POLL_EVERY_MS = 50;
const KEPT_OUTPUT = 64 * 1024;

const run = promisify(execFile);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The settings of whoever runs the tests must not reach the server. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BELLWETHER_')));
}

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

class Server {
  #folder;
  #process;
  #output = '';

  /**
   * @param {string} folder removed when the server stops
   * @param {number} port where to listen on the loopback address
   * @param {string} database the database's URL
   * @param {{admin: {username: string, password: string}, token: string, project: string, environments: object}} credentials
   *   what `init --json` printed
   * @param {string[]} settings more arguments of `serve`
   */
  constructor(folder, port, database, credentials, settings) {
    this.url = `http://127.0.0.1:${port}`;
    Object.assign(this, credentials);
    this.#folder = folder;
    const args = ['serve', '--listen', `127.0.0.1:${port}`, '--database-url', database, ...settings];
    this.#process = spawn(BINARY, args, {
      cwd: folder,
      env: environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.on('error', (error) => this.#keep(`${error}\n`));
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.#keep(text));
    }
  }

  #keep(text) {
    this.#output = (this.#output + text).slice(-KEPT_OUTPUT);
  }

  /** The end of what the server has written, for a failure's message. */
  get output() {
    return this.#output;
  }

  get #ended() {
    return this.#process.exitCode !== null || this.#process.signalCode !== null || this.#process.pid === undefined;
  }

  /** Calls the API with the admin's token, or another; the answer's JSON. Anything but success is an error. */
  async api(method, path, body, token = this.token, headers = {}) {
    const answer = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(READY_WITHIN_MS),
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    }
    return text ? JSON.parse(text) : undefined;
  }

  /** Whether a flag is on in an environment of the default project. */
  async enabled(environment, flag) {
    const { configuration } = await this.api('GET', `/projects/${this.project}/environments/${environment}/flags/${flag}`);
    return configuration.enabled;
  }

  /** Returns when `/health/ready` answers 200. */
  async ready() {
    for (const end = Date.now() + READY_WITHIN_MS; Date.now() < end && !this.#ended; await pause(POLL_EVERY_MS)) {
      const signal = AbortSignal.timeout(READY_WITHIN_MS);
      const answer = await fetch(`${this.url}/health/ready`, { signal }).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) {
        return;
      }
    }
    throw new Error(`the server ${this.#ended ? 'ended' : 'was not ready in time'}:\n${this.#output}`);
  }

  /** Ends the server, by force if it does not go, and removes its database. */
  async stop() {
    if (!this.#ended) {
      const closed = once(this.#process, 'close');
      this.#process.kill('SIGTERM');
      const force = setTimeout(() => this.#process.kill('SIGKILL'), STOPPED_WITHIN_MS);
      await closed;
      clearTimeout(force);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Sets up an empty store with the nine default flags and serves it, with `settings` as further arguments. Whoever starts
 * a server stops it.
 */
export async function startServer(...settings) {
  const folder = await mkdtemp(join(tmpdir(), 'bellwether-browser-'));
  const database = `sqlite://${join(folder, 'bellwether.db')}`;
  const options = { cwd: folder, env: environment(), timeout: READY_WITHIN_MS };
  let server;
  try {
    const init = await run(BINARY, ['init', '--json', '--database-url', database], options);
    await run(BINARY, ['seed', '--database-url', database], options);
    server = new Server(folder, await freePort(), database, JSON.parse(init.stdout), settings);
    await server.ready();
    return server;
  } catch (error) {
    await (server ? server.stop() : rm(folder, { recursive: true, force: true }));
    throw error;
  }
}
