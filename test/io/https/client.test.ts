import { readFile, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { normalFingerprint } from '../../../src/io/https/certificate.ts';
import { type HttpsOptions, openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates, knownCertificates } from '../../../src/io/https/known-certificates.ts';
import { tempFolder } from '../../temp.ts';
import { startHttps } from './server.ts';

const open = async (options: Pick<HttpsOptions, 'host' | 'port'> & Partial<HttpsOptions>) => {
  const client = await openHttps({
    known: forgottenCertificates(),
    confirm: async () => false,
    timeoutMs: 5000,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
};

describe('whose certificate it is', () => {
  it('is asked, with all that there is to compare, and remembered', async () => {
    const server = await startHttps((_, response) => response.end('hello'));
    const file = join(await tempFolder(), 'new', 'certificates');
    const known = knownCertificates(file);
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    const client = await open({ ...server, fingerprint: undefined, known, confirm });
    const answer = await client.send({ path: '/', step: 'a test' });
    expect(answer.body.toString()).toBe('hello');
    expect(questions).toHaveLength(1);
    expect(questions[0]).toContain(server.fingerprint);
    expect(questions[0]).toMatch(/signed by itself.*issued by a test.*valid from Jan.*2020.*to Dec.*2049/);
    await open({ ...server, fingerprint: undefined, known, confirm });
    expect(questions).toHaveLength(1);
    expect(await readFile(file, 'utf8')).toBe(`127.0.0.1:${server.port} ${server.fingerprint}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is refused where nobody says yes; the error has the fingerprint', async () => {
    let asked = 0;
    const server = await startHttps(() => asked++);
    await expect(open({ host: server.host, port: server.port })).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('not accepted'),
      hint: expect.stringContaining(server.fingerprint),
    });
    expect(asked).toBe(0);
  });

  it('is another one than before: nothing is sent, also not on a later connection', async () => {
    let asked = 0;
    const server = await startHttps(() => asked++);
    const other = server.fingerprint.replace(/^../, (byte) => (byte === '00' ? '01' : '00'));
    const client = await open({ ...server, fingerprint: other });
    await expect(client.send({ path: '/', step: 'login', body: 'secret' })).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringMatching(/certificate: the server shows .*, but .* is the one that was accepted/),
    });
    expect(asked).toBe(0);
  });

  it('takes a fingerprint as tools write it, and nothing else', () => {
    const hex = 'ab'.repeat(32);
    const normal = Array(32).fill('AB').join(':');
    for (const text of [
      hex,
      normal,
      `SHA256:${hex}`,
      `sha256 Fingerprint=${normal}`.replace('Fingerprint', ''),
    ])
      expect(normalFingerprint(text)).toBe(normal);
    for (const text of ['', 'ab', `${hex}00`, 'zz'.repeat(32)])
      expect(() => normalFingerprint(text)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});

describe('an HTTPS server that is hostile or gone', () => {
  it('leads on to another host: that is told and not done', async () => {
    const server = await startHttps((_, response) =>
      response.writeHead(302, { location: 'https://evil.example/' }).end(),
    );
    const client = await server.client();
    await expect(client.send({ path: '/', step: 'reading' })).rejects.toMatchObject({
      kind: 'unsupported',
      message: 'reading: the server leads on to https://evil.example/, which is not followed',
    });
  });

  it('sends without end: refused at the bound', async () => {
    const server = await startHttps((_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65536)));
      };
      response.on('drain', more);
      more();
    });
    const client = await server.client();
    await expect(client.send({ path: '/', step: 'reading', maximumBytes: 1_000_000 })).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });

  it('says nothing: given up after the time, and at once when it is cancelled', async () => {
    const server = await startHttps(() => undefined);
    const client = await server.client(100);
    await expect(client.send({ path: '/', step: 'reading' })).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'reading: no answer for 0.1 s',
    });
    const controller = new AbortController();
    const patient = await server.client();
    const answer = patient.send({ path: '/', step: 'reading', signal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('closes a kept connection: asked again on a new one; a new one that is cut is an error', async () => {
    const used = new Set<unknown>();
    let cut = false;
    const server = await startHttps((request, response) => {
      if (cut || used.has(request.socket)) return void request.socket.destroy();
      used.add(request.socket);
      response.end('hello');
    });
    const client = await server.client();
    for (let i = 0; i < 3; i++) {
      const { body } = await client.send({ path: '/', method: 'POST', body: 'x', step: 'asking' });
      expect(body.toString()).toBe('hello');
    }
    expect(used.size).toBe(3);
    cut = true;
    await expect(client.send({ path: '/', step: 'asking' })).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'asking: the connection was cut',
    });
  });

  it('is closed while it is being reached: what waits ends at once', async () => {
    let silent = false;
    const server = await startHttps((_, response) => response.end('hello'));
    const relay = createServer((socket) => {
      if (silent) return void socket.on('error', () => undefined).resume();
      const far = connect(server.port, '127.0.0.1');
      socket.pipe(far).pipe(socket);
      for (const one of [socket, far]) one.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void relay.close());
    const { port } = relay.address() as { port: number };
    const client = await open({ host: '127.0.0.1', port, fingerprint: server.fingerprint });
    silent = true;
    const answer = client.send({ path: '/', step: 'asking' });
    await new Promise((resolve) => setImmediate(resolve));
    client.close();
    await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('is no TLS server, or none at all', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const { port } = plain.address() as { port: number };
    await expect(open({ host: '127.0.0.1', port })).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('TLS'),
    });
    await new Promise((resolve) => plain.close(resolve));
    await expect(open({ host: '127.0.0.1', port })).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('nothing listens'),
    });
  });
});
