/** Bodies that are sent as they are made, and hosts known by what another server says of them. */
import { createHash, X509Certificate } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import { selfSigned } from './self-signed.ts';
import { startHttps } from './server.ts';

const wanted = { path: '/', step: 'sending' };

it('sends what comes, and tells the answer to the whole', async () => {
  const got: Buffer[] = [];
  const server = await startHttps((request, response) => {
    request.on('data', (chunk) => got.push(chunk));
    request.on('end', () => {
      response.statusCode = 201;
      response.end(`${request.method} ${request.headers['transfer-encoding']}`);
    });
  });
  const upload = (await server.client()).upload({ ...wanted, method: 'POST' });
  const pieces = [Buffer.alloc(300_000, 1), Buffer.from('end')];
  for (const piece of pieces) await upload.write(piece);
  expect(await upload.end()).toEqual({ status: 201, body: Buffer.from('POST chunked') });
  expect(Buffer.concat(got).equals(Buffer.concat(pieces))).toBe(true);
  upload.abort(); // afterwards it does nothing
});

it('stops where the server answers before it has all', async () => {
  const server = await startHttps((_, response) => {
    response.statusCode = 403;
    response.end('no');
  });
  const upload = (await server.client()).upload(wanted);
  const sending = (async () => {
    for (;;) await upload.write(Buffer.alloc(65_536));
  })();
  await expect(sending).rejects.toMatchObject({ kind: 'io', message: expect.stringContaining('403') });
  await expect(upload.end()).rejects.toMatchObject({ kind: 'io' });
});

it('gives up a server that takes nothing, and at once when it is cancelled or cut', async () => {
  const server = await startHttps((request) => request.pause());
  const client = await server.client();
  const fill = async (upload: ReturnType<typeof client.upload>) => {
    for (;;) await upload.write(Buffer.alloc(1024 * 1024));
  };
  await expect(fill(client.upload({ ...wanted, silenceMs: 50 }))).rejects.toMatchObject({
    kind: 'unreachable',
  });
  const silent = client.upload({ ...wanted, timeoutMs: 50 });
  await silent.write(Buffer.from('a'));
  await expect(silent.end()).rejects.toMatchObject({ kind: 'unreachable' });
  const cancel = new AbortController();
  const cancelled = fill(client.upload({ ...wanted, signal: cancel.signal }));
  cancel.abort();
  await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
  const early = client.upload({ ...wanted, signal: cancel.signal });
  await expect(early.write(Buffer.from('a'))).rejects.toMatchObject({ kind: 'cancelled' });
  const cutting = await startHttps((request) => request.socket.destroy());
  await expect(fill((await cutting.client()).upload(wanted))).rejects.toMatchObject({ kind: 'unreachable' });
});

it('a host is the one whose SHA-1 was told, and no other', async () => {
  const pair = selfSigned('a host');
  const server = await startHttps((_, response) => response.end('hello'), 0, pair);
  const told = createHash('sha1').update(new X509Certificate(pair.cert).raw).digest('hex');
  const open = (thumbprint: string) =>
    openHttps({
      ...{ host: server.host, port: server.port, thumbprint },
      ...{ known: forgottenCertificates(), confirm: async () => false, timeoutMs: 5000 },
    });
  const client = await open(told);
  onTestFinished(() => client.close());
  expect((await client.send(wanted)).body.toString()).toBe('hello');
  const other = await open(told.replace(/^./, (c) => (c === '0' ? '1' : '0'))).catch((error) => error);
  expect(other).toMatchObject({ kind: 'auth', message: expect.stringContaining(server.fingerprint) });
});
