/** Hyper-V: each script and each file of a delivery fails once, and neither a machine nor a folder of it is left. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { beginDelivery } from '../../src/env-plugins/hyperv/delivery.ts';
import { sshTransport, type Transport } from '../../src/env-plugins/hyperv/transport.ts';
import type { Machine } from '../../src/model/machine.ts';
import { misunderstood } from '../oracles/powershell-grammar.ts';
import { type FakeHyperV, startHyperV } from '../servers/hyperv.ts';
import { tempFolder } from '../temp.ts';
import { type Faults, faultyFiles } from './faults.ts';
import { fill, treeOf } from './folder.ts';
import { requestOf, type Scene, sweep } from './sweep.ts';

const machine: Machine = {
  ...{ id: 'm', name: "web's", state: 'off', memoryBytes: 2 ** 30, findings: [], nics: [{}] },
  disks: ['a', 'b'].map((id) => ({ id, name: id, files: [] })),
  firmware: { kind: 'uefi' },
};
const files = { 'a.vhdx': Buffer.from('disk a'), 'b.vhdx': Buffer.from('disk b') };

const scriptIn = (input: string): string =>
  /# vmferry-hyperv: (\w+)/.exec(Buffer.from(input.split('.')[0]!, 'base64').toString())?.[1] ?? 'a script';

const faulty = (transport: Transport, faults: Faults): Transport => ({
  name: transport.name,
  files: faultyFiles(transport.files, faults),
  powershell: (input, signal) => faults.step(scriptIn(input), () => transport.powershell(input, signal)),
  close: () => transport.close(),
});

async function scenes(told: Set<string>): Promise<() => Promise<Scene>> {
  const host = await startHyperV(await tempFolder());
  const transport = sshTransport(await host.connect());
  onTestFinished(() => transport.close());
  return async () => {
    host.vms.length = 0;
    fill(host.root, {});
    return {
      files,
      begin: (faults, signal) =>
        beginDelivery(faulty(transport, faults), requestOf({ name: machine.name, machine, signal })),
      there: async () => ({ vms: host.vms.map(({ name }) => name), files: treeOf(join(host.root, 'VMs')) }),
      async run(commands) {
        for (const line of commands.split('\n')) {
          told.add(line);
          runPowershell(host, line);
        }
      },
    };
  };
}

/** The two lines that are told. */
function runPowershell({ vms, local }: FakeHyperV, line: string): void {
  const plain = (text: string) => text.replaceAll("''", "'");
  const [, folder] = /^Remove-Item -LiteralPath '(.*)' -Recurse -Force$/.exec(line) ?? [];
  if (folder !== undefined) return rmSync(local(plain(folder)), { recursive: true, force: true });
  const words = /-eq '(.*)' -and \(\[string\]\$_\.Notes\)\.EndsWith\('(.*)'\) \} \| Remove-VM -Force$/.exec(
    line,
  );
  expect(words, line).not.toBeNull();
  const [name, mark] = words!.slice(1).map(plain);
  const ours = vms.filter((vm) => vm.name === name && String(vm.more.notes).endsWith(mark!));
  for (const vm of ours) vms.splice(vms.indexOf(vm), 1);
}

it('leaves nothing, and tells PowerShell what removes the rest', async () => {
  const told = new Set<string>();
  const steps = await sweep(await scenes(told), { every: 2 });
  expect(steps.filter((step) => step === 'make')).toHaveLength(1);
  expect(told.size).toBe(2);
  for (const line of told) expect(await misunderstood(line)).toEqual([]);
});
