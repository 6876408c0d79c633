/** A guest carried to other hardware: looked into, changed in an overlay, and served to a machine that starts from it. */
import { onTestFinished } from 'vitest';
import { type Hardware, type Manipulation, manipulate } from '../../../src/convert/manipulate.ts';
import { narrowed } from '../../../src/convert/narrow-disk.ts';
import { openImage } from '../../../src/convert/open-image.ts';
import { openImageFile } from '../../../src/env-plugins/local/image-file.ts';
import { serveNbd } from '../../../src/io/nbd/server.ts';
import type { GuestPlan } from '../../../src/model/guest-plan.ts';
import type { Nic } from '../../../src/model/machine.ts';
import type { Plan, TableKind } from '../../../src/model/plan.ts';

export interface Carried extends Manipulation {
  /** Of the changed disk, as qemu takes it. */
  readonly uri: string;
}

export interface Carrying {
  readonly hardware: Hardware;
  /** As the machine had them. */
  readonly nics?: readonly Nic[];
  readonly table?: TableKind;
  readonly guest?: Partial<GuestPlan>;
}

export async function carry(path: string, { hardware, nics = [], table, guest }: Carrying): Promise<Carried> {
  const signal = new AbortController().signal;
  const opened = await openImage(await openImageFile(path), { follow: false, signal });
  const image = await narrowed(opened, { follow: false, ...(table === undefined ? {} : { table }) }, signal);
  onTestFinished(() => image.close());
  const plan = {
    destination: { product: 'qemu' },
    machine: { nics },
    guest: { changes: 'needed', ...guest },
  } as unknown as Plan;
  const made = await manipulate(plan, [image], hardware, {
    ...{ runId: 'boot-test', signal },
    report: () => undefined,
  });
  onTestFinished(() => made.close());
  await made.apply();
  const server = await serveNbd({ exports: [{ name: '', disk: made.images[0]! }] });
  onTestFinished(() => server.close());
  return { ...made, uri: server.uri() };
}
