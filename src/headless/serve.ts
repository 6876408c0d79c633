/** `serve`: disks by NBD, for programs of this computer. */
import { resolve } from 'node:path';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { CommonOptions } from './common-options.ts';
import { type Output, terminalOutput } from './output.ts';
import { connectTo, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

export interface ServeOptions extends CommonOptions, Trust {
  readonly disk?: readonly string[];
  readonly socket?: string;
  readonly port?: string;
  readonly writableOverlay?: boolean;
}

/** Resolves to 0 after Ctrl+C. @throws AppError when it can't begin. */
export async function serve(image: string, options: ServeOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  const listen = listenOf(options);
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    const id = await connectTo(composed, image, options);
    let serving = false;
    dispatcher.watch((event) => {
      if (event.type === 'serve-remark') output.remark(event.text);
      if (event.type !== 'disk-served') return;
      output.progressDone();
      tellDisk(output, event);
      serving = true;
    });
    tellSteps(composed, output);
    try {
      await dispatcher.perform({
        type: 'serve-machine',
        id,
        writable: options.writableOverlay === true,
        ...(listen === undefined ? {} : { listen }),
        ...(options.disk === undefined ? {} : { disks: options.disk }),
      });
    } catch (error) {
      // Ctrl+C is its usual end.
      if (!serving || !(error instanceof AppError) || error.kind !== 'cancelled') throw error;
    } finally {
      output.progressDone();
    }
    return 0;
  });
}

interface Served {
  readonly disk: string;
  readonly uri: string;
  readonly size: number;
  readonly writable: boolean;
}

function tellDisk(output: Output, { disk, uri, size, writable }: Served): void {
  if (output.json) return output.value({ type: 'serving', disk, uri, size, writable });
  output.line(uri);
  const kind = writable ? 'writes are kept apart and forgotten at the end' : 'read-only';
  output.remark(`serving ${disk}: ${formatBytes(size)}, ${kind}; Ctrl+C ends it. For example:`);
  const readOnly = writable ? '' : ' --ro';
  output.remark(`  qemu-img map -f raw '${uri}'`);
  // libguestfs knows the scheme without the transport only.
  output.remark(`  guestfish${readOnly} --format=raw -a '${uri.replace(/^nbd\+unix:/, 'nbd:')}' -i`);
  output.remark(
    `  qemu-system-x86_64 -drive format=raw,if=virtio${writable ? '' : ',readonly=on'},file='${uri}'`,
  );
}

/** @throws AppError `usage`. */
function listenOf({ socket, port }: ServeOptions): { path: string } | { port: number } | undefined {
  if (socket !== undefined && port !== undefined)
    throw new AppError('usage', '--socket and --port can not both be given');
  if (socket !== undefined) return { path: resolve(socket) };
  if (port === undefined) return undefined;
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65_535) return { port: Number(port) };
  throw new AppError('usage', `--port ${port}: it takes a number from 0 to 65535`);
}
