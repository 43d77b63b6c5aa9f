// Where the server is, and what opens it.

const { BELLWETHER_URL, BELLWETHER_GONE, BELLWETHER_TOKEN, BELLWETHER_SERVER_KEY, BELLWETHER_CLIENT_KEY } = process.env;

export const url = BELLWETHER_URL;
/** Where nobody listens. */
export const gone = BELLWETHER_GONE;
export const serverKey = BELLWETHER_SERVER_KEY;
export const clientKey = BELLWETHER_CLIENT_KEY;

export const FLAGS = '/projects/default/flags';
export const CONFIGURED = '/projects/default/environments/staging/flags';

/** Calls the API; the answer's JSON. Anything but success is an error. */
export async function api(method, path, body) {
  const answer = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${BELLWETHER_TOKEN}`, 'Content-Type': 'application/json', 'If-Match': '*' },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  }
  return text ? JSON.parse(text) : undefined;
}
