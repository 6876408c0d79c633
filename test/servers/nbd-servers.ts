/** nbdkit and qemu-nbd on a socket of the test's own. They end with the test. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';

async function listening(command: string, args: readonly string[], socket: string): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  let ended = false;
  const end = new Promise<void>((resolve) => {
    child.once('exit', () => {
      ended = true;
      resolve();
    });
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await end;
  });
  await expect
    .poll(async () => ended || (await answers(socket)), {
      timeout: 20_000,
      message: `${command} does not listen`,
    })
    .toBe(true);
  if (ended) throw new Error(`${command}: ${said}`);
}

/** The socket is there a moment before somebody listens. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Its socket. */
export async function nbdkit(...args: string[]): Promise<string> {
  const socket = join(await tempFolder(), 'kit');
  await listening('nbdkit', ['-f', '-U', socket, ...args], socket);
  return socket;
}

export async function qemuNbd(...args: string[]): Promise<string> {
  const socket = join(await tempFolder(), 'qemu');
  await listening('qemu-nbd', ['-k', socket, '-t', '-e', '8', ...args], socket);
  return socket;
}
