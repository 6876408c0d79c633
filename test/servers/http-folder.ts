/** A small web server with a folder: Range requests, a listing, a password where it is wanted. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface HttpFolderOptions {
  readonly listing?: 'json' | 'html';
  /** Range requests are answered with all of it, as simple servers do. */
  readonly noRanges?: boolean;
  /** `user:password`. */
  readonly login?: string;
  /** No request is answered. */
  readonly silent?: boolean;
}

export interface HttpFolder {
  readonly url: string;
  /** Bytes of bodies that were sent. */
  sent(): number;
  stop(): Promise<void>;
}

export async function startHttpFolder(folder: string, options: HttpFolderOptions = {}): Promise<HttpFolder> {
  let sent = 0;
  const server = createServer((request, response) => {
    if (options.silent) return;
    const wanted = options.login === undefined ? undefined : `Basic ${btoa(options.login)}`;
    if (wanted !== undefined && request.headers.authorization !== wanted) response.writeHead(401).end();
    else
      void answer(folder, request, response, options).then((bytes) => {
        sent += bytes;
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/images/`, sent: () => sent, stop };
}

async function answer(
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
  { listing = 'json', noRanges }: HttpFolderOptions,
): Promise<number> {
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
  if (path === '/images/') {
    const names = await readdir(folder);
    const links = names.map((name) => `<a href="${encodeURIComponent(name)}">x</a>`).join('\n');
    response.end(
      listing === 'json' ? JSON.stringify(names.map((name) => ({ name, type: 'file' }))) : `<html>${links}`,
    );
    return 0;
  }
  const file = path.startsWith('/images/') ? join(folder, path.slice('/images/'.length)) : '/nonexistent';
  const stats = await stat(file).catch(() => undefined);
  if (stats === undefined) {
    response.writeHead(404).end();
    return 0;
  }
  const range = noRanges ? null : /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, stats.size - 1];
  response.writeHead(range ? 206 : 200, {
    'content-length': to - from + 1,
    etag: `"${stats.mtimeMs}-${stats.size}"`,
    ...(range ? { 'content-range': `bytes ${from}-${to}/${stats.size}` } : {}),
  });
  if (request.method === 'HEAD' || stats.size === 0) {
    response.end();
    return 0;
  }
  createReadStream(file, { start: from, end: to }).pipe(response);
  return to - from + 1;
}
