/** virsh with bytes to read. It opens what it reads by a name, which works for a pipe and not for a socket: so `cat`. */
import type { Running } from '../../io/host/host.ts';
import type { Libvirt } from './connect.ts';
import { virshArgs, virshError } from './virsh.ts';

/** The name of what it is fed, for virsh. */
export const fed = '/dev/stdin';

const piped = (uri: string, args: readonly string[]): string[] => [
  'sh',
  '-c',
  'cat | "$@"',
  'sh',
  ...virshArgs(uri, args),
];

/** @throws AppError as `virsh`. */
export async function virshWithInput(
  { host, uri }: Libvirt,
  args: readonly string[],
  input: string,
  signal?: AbortSignal,
): Promise<string> {
  const result = await host.run(piped(uri, args), { input, signal });
  if (result.code !== 0) throw virshError(result.stderr, `${host.name}, ${uri}`);
  return result.stdout.toString();
}

export interface VirshFeed {
  /** Resolves when `bytes` may be used again. @throws AppError as `virsh`. */
  write(bytes: Uint8Array): Promise<void>;
  /** No more comes: virsh is waited for. @throws AppError as `virsh`. */
  end(): Promise<void>;
  /** Resolves when virsh is gone. Never throws. */
  abort(): Promise<void>;
}

export async function feedVirsh(
  { host, uri }: Libvirt,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<VirshFeed> {
  const running = await host.spawn(piped(uri, args), { signal });
  running.stdout.resume(); // it has nothing to say
  const ended = async () => {
    const { code, stderr } = await running.ended;
    if (code !== 0) throw virshError(stderr, `${host.name}, ${uri}`);
  };
  return {
    async write(bytes) {
      const failed = await pushed(running, bytes);
      if (failed === undefined) return;
      await ended(); // what virsh says is why
      throw failed;
    },
    async end() {
      running.stdin.end();
      await ended();
    },
    async abort() {
      running.kill();
      running.stdin.destroy(); // the shell alone was killed: what it started ends with its input
      await running.ended.catch(() => undefined);
    },
  };
}

const pushed = ({ stdin }: Running, bytes: Uint8Array): Promise<Error | undefined> =>
  new Promise((resolve) => {
    stdin.write(bytes, (error) => resolve(error ?? undefined));
  });
