/** `check --for` of the built program: its table, its exit codes, a user's rules. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { place } from './program.ts';

it('tells where the sample can run, and ends with 3 when what was named is blocked', async () => {
  const { run, path, home } = await place();
  await copyFile('samples/vmferry-sample.ova', path('m.ova'));
  const all = await run(['check', 'm.ova', '--for', 'all']);
  expect(all).toMatchObject({ code: 0, stdout: expect.stringMatching(/^hyperv-gen2 .* BLOCKED/m) });
  expect(all.stdout).toMatch(
    /hyperv-gen2: blocker: generation 2 starts by UEFI; the disk only starts by BIOS/,
  );
  expect((await run(['check', 'm.ova', '--for', 'kvm'])).code).toBe(0);
  expect((await run(['check', 'm.ova', '--for', 'kvm,hyperv-gen2'])).code).toBe(3);
  expect(await run(['check', 'm.ova', '--for', 'moon'])).toMatchObject({ code: 2 });

  await mkdir(join(home, 'config', 'rules'), { recursive: true });
  const when = 'when: { each: disks, where: { fact: disk.format, is: vmdk } }';
  const rule = `{ id: none, severity: blocker, title: t, message: "{disk.format} is banned", ${when}, source: { name: us } }`;
  const pack = `id: lab\nlabel: Our lab\nversion: "1"\ndate: 2026-11-23\nrules: [${rule}]\n`;
  await writeFile(join(home, 'config', 'rules', 'lab.yaml'), pack);
  await writeFile(join(home, 'config', 'rules', 'broken.json'), '{');
  const own = await run(['check', 'm.ova', '--for', 'lab']);
  expect(own).toMatchObject({ code: 3, stderr: expect.stringMatching(/rules left out: .*broken\.json/) });
  expect(own.stdout).toContain('blocker: vmdk is banned');
  const json = await run(['check', 'm.ova', '--for', 'lab', '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    judgements: [{ pack: 'lab', verdict: 'blocked', findings: [{ rule: 'lab.none' }] }],
  });
});
