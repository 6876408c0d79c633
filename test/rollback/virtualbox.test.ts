/** VirtualBox: each command and each file of a delivery fails once, and neither a file nor a machine of it is left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { destinationRole } from '../../src/env-plugins/virtualbox/destination.ts';
import type { Host } from '../../src/io/host/host.ts';
import type { Machine } from '../../src/model/machine.ts';
import { manage } from '../env-plugins/virtualbox/fake-vboxmanage/machines.mjs';
import { hostWithManage } from '../env-plugins/virtualbox/host-with-manage.ts';
import { diskOf, requestFor, small, vdiHead } from '../env-plugins/virtualbox/request.ts';
import { tempFolder } from '../temp.ts';
import { faultyHost } from './faults.ts';
import { fill, runHere, treeOf } from './folder.ts';
import { type Scene, sweep } from './sweep.ts';

const machine: Machine = {
  ...small,
  disks: [0, 1].map((unit) => diskOf(`d${unit}`, { bus: 'sata', controller: 0, unit, bootable: unit === 0 })),
};
const files = { 'a.vdi': vdiHead(1), 'b.vdi': vdiHead(2) };
/** Each machine gets one of its own. */
const anyUuid = (text: string) =>
  text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) =>
    id.startsWith('03020100') ? id : 'UUID',
  );

/** No process is started: there are hundreds of deliveries. */
function host(fake: string): Host {
  const made = hostWithManage(fake);
  return {
    ...made,
    async run(args, options) {
      const answer = {
        '--version': () => '7.0.14r161095\n',
        'list ostypes': () => 'ID:          Debian12_64\n',
        'list vms': () => readFileSync(join(fake, 'vms'), 'utf8'),
      }[args.slice(args.indexOf('VBoxManage') + 1).join(' ')];
      if (answer === undefined) return made.run(args, options);
      return { code: 0, stdout: Buffer.from(answer()), stderr: '' };
    },
  };
}

async function scenes(old: Record<string, string>): Promise<() => Promise<Scene>> {
  const [fake, top] = [await tempFolder(), await tempFolder()];
  return async () => {
    fill(fake, { vms: '', running: '' });
    fill(top, old);
    return {
      files,
      begin: (faults, signal) =>
        destinationRole(faultyHost(host(fake), faults), top).begin(
          requestFor(top, machine, { force: true, signal }),
        ),
      async there() {
        const vms = readFileSync(join(fake, 'vms'), 'utf8');
        return JSON.parse(anyUuid(JSON.stringify({ vms, files: treeOf(top) })));
      },
      // Where VBoxManage does not tell its version, the settings are written without it.
      whole: (there) => {
        const found = (there as { files: Record<string, string> }).files;
        return (
          found['m/m.vbox']!.startsWith('<?xml') && found['m/b.vdi'] === files['b.vdi'].toString('latin1')
        );
      },
      async run(commands) {
        const others: string[] = [];
        for (const command of commands.split('\n')) {
          const [program, ...args] = [...command.matchAll(/'(.*?)'/g)].map(([, word]) => word!);
          if (program === 'VBoxManage') manage(fake, args);
          else others.push(command);
        }
        await runHere(others.join('\n'));
      },
    };
  };
}

it('leaves nothing of a new machine', async () => {
  const steps = await sweep(await scenes({}), { every: 2 });
  expect(steps.filter((step) => /VBoxManage (createvm|storageattach)/.test(step))).toHaveLength(3);
});

it('puts back the machine that was to be replaced', async () => {
  const old = { 'm/m.vbox': 'old', 'm/a.vdi': 'old a', 'm/b.vdi': 'old b', 'm/other': 'x' };
  const steps = await sweep(await scenes(old), { every: 2 });
  expect(steps.filter((step) => step === 'rename')).toHaveLength(5);
});
