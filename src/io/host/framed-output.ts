/**
 * What a command says, told from what was said before it: the login shell that sshd starts may greet (bash reads
 * ~/.bashrc, csh ~/.cshrc), which would otherwise be taken for the first bytes of a disk. So a shell says a mark and
 * then becomes the command.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { printable } from '../ssh/failures.ts';
import type { Running } from './host.ts';

/** What a login shell may say before. */
export const mostNoise = MiB;

export interface Framed {
  readonly mark: Buffer;
  readonly args: readonly string[];
}

export function framed(args: readonly string[]): Framed {
  const mark = `vmferry-${randomBytes(12).toString('hex')}`;
  return { mark: Buffer.from(mark), args: ['sh', '-c', 'printf %s "$0"; exec "$@"', mark, ...args] };
}

/** What stands behind the mark; undefined where there is none. */
export function behindMark(stdout: Buffer, mark: Buffer): Buffer | undefined {
  const at = stdout.subarray(0, mostNoise + mark.length).indexOf(mark);
  return at < 0 ? undefined : stdout.subarray(at + mark.length);
}

/** The same command, its output from behind the mark. @throws AppError `unsupported` when it ends without one. */
export async function skipToMark(running: Running, mark: Buffer, where: string): Promise<Running> {
  const { stdout } = running;
  try {
    await new Promise<void>((resolve, reject) => {
      let heard = Buffer.alloc(0);
      const done = (act: () => void) => {
        stdout.off('readable', listen);
        stdout.off('end', ended);
        act();
      };
      // Not by `data`: whoever listens next would have to know that it was paused.
      const listen = () => {
        for (let chunk = stdout.read() as Buffer | null; chunk !== null; chunk = stdout.read()) {
          heard = Buffer.concat([heard, chunk]);
          const rest = behindMark(heard, mark);
          if (rest !== undefined) {
            done(resolve);
            if (rest.length > 0) stdout.unshift(rest);
            return;
          }
          if (heard.length > mostNoise) return done(() => reject(noCommands(where, heard.toString(), '')));
        }
      };
      const ended = () =>
        done(() => {
          running.ended.then(({ stderr }) => reject(noCommands(where, heard.toString(), stderr)), reject);
        });
      stdout.on('readable', listen);
      stdout.once('end', ended);
      running.ended.catch((error) => done(() => reject(error)));
    });
    return running;
  } catch (error) {
    running.kill();
    throw error;
  }
}

/** The shell there was not the one that was asked. */
export function noCommands(where: string, stdout: string, stderr: string): AppError {
  const said = printable(`${stderr} ${stdout}`);
  return new AppError('unsupported', `no command can be run there${said === '' ? '' : `: ${said}`}`, {
    where,
    hint: 'give the user a login shell there (not nologin, false, or a forced command in authorized_keys)',
  });
}
