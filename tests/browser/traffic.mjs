// What a service would measure of its requests while a release runs: posted as an SDK posts it.

const EVERY_MS = 250;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Summary statistics of latencies around `mean`, all alike. */
function latencies(n, mean) {
  const bucket = Math.ceil(Math.log(mean) / Math.log(1.04));
  return { n, mean, m2: n * 100, min: mean - 20, max: mean + 20, histogram: [[bucket, n]], above: [[2000, 0]] };
}

/**
 * Reports a second's requests of both arms for as long as `goes` says so. `errors` and `latency` (ms) are treatment's
 * at the time; control's are 1 % and 100 ms.
 */
export async function drive(server, { environment, flag, goes, errors = () => 0.01, latency = () => 100 }) {
  const path = `/projects/${server.project}/environments/${environment}/flags/${flag}/canary`;
  const { release } = await server.api('GET', path);
  const key = server.environments[environment].server_key;
  let reported = 0;
  for (let sequence = 1; goes(); ) {
    const second = Math.floor(Date.now() / 1000);
    if (second === reported) {
      await pause(EVERY_MS);
      continue;
    }
    reported = second;
    const start = new Date(second * 1000).toISOString();
    const arm = (name, n, rate, mean, label) => {
      const window = { start, seconds: 1, release, arm: name };
      const k = Math.round(n * rate);
      return [
        { ...window, metric: 'request.error', n, k, labels: k > 0 ? [[label, k]] : [] },
        { ...window, metric: 'request.duration_ms', ...latencies(n, mean) },
      ];
    };
    const windows = [
      ...arm('treatment', 400, errors(), latency(), 'POST /pay 502'),
      ...arm('control', 400, 0.01, 100, 'POST /pay 409'),
    ];
    const batch = { instance: `traffic-${flag}`, application: 'checkout', sequence, windows };
    await server.api('POST', '/measurements', batch, key);
    sequence += 1;
  }
}
