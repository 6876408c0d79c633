/**
 * Fingerprints of certificates that the user has accepted: a text file, a line `host:port SHA-256` each, like
 * known_hosts of ssh. The last line of a server counts.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { normalFingerprint } from './certificate.ts';

/** `server` is `host:port`. */
export interface KnownCertificates {
  find(server: string): Promise<string | undefined>;
  add(server: string, fingerprint: string): Promise<void>;
}

export function knownCertificates(path: string): KnownCertificates {
  return {
    async find(server) {
      const text = await readFile(path, 'utf8').catch((error) => {
        const failure = toAppError(error);
        if (failure.kind === 'not-found') return '';
        throw failure;
      });
      if (text.length > 16 * MiB)
        throw new AppError('corrupt', 'this is no list of certificates', { where: path });
      const line = text.split('\n').findLast((l) => l.split(' ')[0] === server);
      const fingerprint = line?.split(' ')[1];
      return fingerprint === undefined ? undefined : normalFingerprint(fingerprint);
    },
    async add(server, fingerprint) {
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        const file = await open(path, 'a', 0o600);
        try {
          await file.write(`${server} ${fingerprint}\n`);
        } finally {
          await file.close();
        }
      } catch (error) {
        throw toAppError(error);
      }
    },
  };
}

/** For as long as the program runs: where nothing is to be kept. */
export function forgottenCertificates(): KnownCertificates {
  const known = new Map<string, string>();
  return {
    find: async (server) => known.get(server),
    add: async (server, fingerprint) => void known.set(server, fingerprint),
  };
}
