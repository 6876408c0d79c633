/** A client of a server: each request, and each piece of an upload, is a step. */
import type { HttpsClient } from '../../src/io/https/client.ts';
import type { Faults } from './faults.ts';

/** `faults` gives those of the delivery that is under way. */
export function faultyClient(client: HttpsClient, faults: () => Faults | undefined): HttpsClient {
  const step = <T>(name: string, work: () => Promise<T>): Promise<T> => faults()?.step(name, work) ?? work();
  return {
    name: client.name,
    // A step that fails, fails.
    persistence: { pausesMs: [], roundMs: 0 },
    send: (wanted) => step(nameOf(wanted.step, wanted.body), () => client.send(wanted)),
    fill: (wanted, target, told) => step(wanted.step, () => client.fill(wanted, target, told)),
    download: (wanted) => step(wanted.step, () => client.download(wanted)),
    upload(wanted) {
      const upload = client.upload(wanted);
      return {
        write: (bytes) => step(`${wanted.step}: bytes`, () => upload.write(bytes)),
        end: () => step(`${wanted.step}: end`, () => upload.end()),
        abort: () => upload.abort(),
      };
    },
    close: () => client.close(),
  };
}

const nameOf = (step: string, body: unknown): string => {
  const method = /"method":"([\w.]+)"/.exec(String(body))?.[1];
  return method === undefined ? step : `${step}: ${method}`;
};
