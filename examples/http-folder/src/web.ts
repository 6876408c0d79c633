/** The only file that talks: requests to one folder of one server. */
import type { ByteSource } from 'vmferry/plugin';
import { failure } from './failure.js';

/** A listing that is longer is none. */
const longestListing = 16 * 1024 * 1024;

export interface Account {
  readonly user: string | undefined;
  password(): Promise<string>;
}

export interface Web {
  readonly folder: URL;
  /** The address of a name in the folder; undefined when it leads out of it. */
  below(name: string): URL | undefined;
  text(url: URL, signal?: AbortSignal): Promise<string>;
  head(url: URL, signal?: AbortSignal): Promise<{ readonly size: number; readonly mark: string | undefined }>;
  open(url: URL, signal?: AbortSignal): Promise<ByteSource>;
}

export function web(folder: URL, account: Account): Web {
  const ask = async (url: URL, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (account.user !== undefined) {
      const login = Buffer.from(`${account.user}:${await account.password()}`).toString('base64');
      headers.set('authorization', `Basic ${login}`);
    }
    // Another server would be sent the password, and could be anywhere.
    const response = await fetch(url, { ...init, headers, redirect: 'error' });
    if (response.ok) return response;
    await response.body?.cancel();
    throw refusal(response.status, url);
  };
  const self: Web = {
    folder,
    below(name) {
      if (!URL.canParse(name, folder.href)) return undefined;
      const url = new URL(name, folder);
      if (url.origin !== folder.origin || !url.pathname.startsWith(folder.pathname)) return undefined;
      url.search = '';
      url.hash = '';
      return url;
    },
    async text(url, signal) {
      const response = await ask(url, {
        headers: { accept: 'application/json, text/html' },
        ...given(signal),
      });
      const pieces: Uint8Array[] = [];
      let length = 0;
      for await (const piece of response.body ?? []) {
        length += piece.length;
        if (length > longestListing) throw failure('unsupported', 'the listing is too long', url.href);
        pieces.push(piece);
      }
      return Buffer.concat(pieces).toString('utf8');
    },
    async head(url, signal) {
      const { headers } = await ask(url, { method: 'HEAD', ...given(signal) });
      const size = Number(headers.get('content-length') ?? Number.NaN);
      if (!Number.isSafeInteger(size) || size < 0)
        throw failure('unsupported', 'the server does not tell the size', url.href);
      return { size, mark: headers.get('etag') ?? headers.get('last-modified') ?? undefined };
    },
    async open(url, signal) {
      const { size, mark } = await self.head(url, signal);
      return {
        name: url.href,
        size,
        access: 'random',
        async read(target, offset, during) {
          if (target.length === 0) return;
          const range = `bytes=${offset}-${offset + target.length - 1}`;
          const response = await ask(url, { headers: { range }, ...given(during) });
          const now = response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
          await fill(target, offset, response, url);
          if (now !== mark)
            throw failure('corrupt', 'it has changed while it was read', url.href, 'start again');
        },
        async close() {
          // Nothing is held.
        },
      };
    },
  };
  return self;
}

const given = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { signal });

/** The bytes asked for, all of them and no others. */
async function fill(target: Uint8Array, offset: number, response: Response, url: URL): Promise<void> {
  const range = response.headers.get('content-range') ?? '';
  if (response.status !== 206 || !range.startsWith(`bytes ${offset}-${offset + target.length - 1}/`)) {
    await response.body?.cancel();
    throw failure(
      'unsupported',
      'the server does not answer Range requests',
      url.href,
      'download the image first',
    );
  }
  let at = 0;
  for await (const piece of response.body ?? []) {
    if (at + piece.length > target.length) throw failure('io', 'the server sends too much', url.href);
    target.set(piece, at);
    at += piece.length;
  }
  if (at < target.length) throw failure('unreachable', `the server ended after ${at} bytes`, url.href);
}

function refusal(status: number, url: URL): Error {
  if (status === 401 || status === 403)
    return failure('auth', `the server refuses: ${status}`, url.href, 'check the user and the password');
  if (status === 404 || status === 410) return failure('not-found', 'there is nothing', url.href);
  return failure(
    status >= 500 ? 'unreachable' : 'io',
    `the server answers ${status}`,
    url.href,
    'try it again later',
  );
}
