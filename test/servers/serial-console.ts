/** The serial console of a running machine of libvirt, which is a terminal of this computer. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import type { Libvirtd } from './libvirtd.ts';

export interface SerialConsole {
  /** Resolves to all that was said up to it. @throws when it is not said within the time. */
  waitFor(text: RegExp, seconds: number): Promise<string>;
  type(text: string): Promise<void>;
}

export async function serialConsole({ virsh }: Libvirtd, domain: string): Promise<SerialConsole> {
  const terminal = (await virsh('ttyconsole', domain)).trim();
  const reader = spawn('cat', [terminal], { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void reader.kill());
  let said = '';
  const told = new Set<() => void>();
  reader.stdout.on('data', (chunk) => {
    said += chunk;
    for (const tell of told) tell();
  });
  return {
    waitFor: (text, seconds) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!text.test(said)) return;
          clearTimeout(late);
          told.delete(look);
          resolve(said);
        };
        const late = setTimeout(
          () => reject(new Error(`no ${text} in: ${said.slice(-2000)}`)),
          seconds * 1000,
        );
        told.add(look);
        look();
      }),
    type: (text) => writeFile(terminal, text, { flag: 'w' }),
  };
}
