/** Clients and servers of others that are modules of the system's Python. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempFolder } from '../temp.ts';

export const python = '/usr/bin/python3';

/** For `describeWith`: Python where it has the module, else the package of Debian that is missing. */
export function pythonWith(module: string, debianPackage: string): string {
  const { status } = spawnSync(python, ['-W', 'ignore', '-c', `import ${module}`]);
  return status === 0 ? python : debianPackage;
}

/**
 * A file for OPENSSL_CONF. NTLM of others needs MD4 and RC4, which OpenSSL 3 gives to who asks for its legacy provider.
 */
export async function opensslLegacy(): Promise<string> {
  const file = join(await tempFolder(), 'openssl.cnf');
  const parts = [
    'openssl_conf = a',
    '[a]',
    'providers = b',
    '[b]',
    'default = c',
    'legacy = c',
    '[c]',
    'activate = 1',
  ];
  await writeFile(file, `${parts.join('\n')}\n`);
  return file;
}
