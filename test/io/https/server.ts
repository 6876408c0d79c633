/** A small HTTPS server of the test's own, and how it is reached. */
import { createHash, X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { type HttpsClient, openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import { selfSigned } from './self-signed.ts';

export interface HttpsServer {
  readonly host: string;
  readonly port: number;
  /** As people compare it. */
  readonly fingerprint: string;
  client(timeoutMs?: number): Promise<HttpsClient>;
}

export async function startHttps(
  listener: RequestListener,
  port = 0,
  pair = selfSigned('a test'),
): Promise<HttpsServer> {
  const server = createServer(pair, listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const der = new X509Certificate(pair.cert).raw;
  const fingerprint = createHash('sha256').update(der).digest('hex').toUpperCase().match(/../g)!.join(':');
  const place = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  return {
    ...place,
    fingerprint,
    async client(timeoutMs = 5000) {
      const client = await openHttps({
        ...place,
        fingerprint,
        known: forgottenCertificates(),
        confirm: async () => false,
        timeoutMs,
      });
      onTestFinished(() => client.close());
      return client;
    },
  };
}
