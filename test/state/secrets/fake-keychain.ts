/** A keychain with a module of the test's own in keytar's place. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type KeychainOptions, KeychainStore } from '../../../src/state/secrets/keychain-store.ts';
import { tempFolder } from '../../temp.ts';

export const works = `
const kept = new Map();
module.exports = {
  setPassword: async (s, a, p) => void kept.set(s + a, p),
  getPassword: async (s, a) => kept.get(s + a) ?? null,
  deletePassword: async (s, a) => kept.delete(s + a),
};`;
export const says = (words: string) => `
const fail = async (s, a, p) => { throw new Error(${JSON.stringify(words)}.replace('SECRET', p)); };
module.exports = { setPassword: fail, getPassword: fail, deletePassword: fail };`;
/** Blocks like native code does: no timer of that process runs any more. */
export const hangs = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';
export const dies = 'process.abort();';

export async function keychain(source: string, options: KeychainOptions = {}): Promise<KeychainStore> {
  const modulePath = join(await tempFolder(), 'keytar.cjs');
  await writeFile(modulePath, source);
  const store = new KeychainStore({ modulePath, ...options });
  onTestFinished(() => store.close());
  return store;
}
