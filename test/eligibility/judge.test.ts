/** Verdicts, what is not known, and packs of a user, which may be hostile. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judge } from '../../src/eligibility/judge.ts';
import { checkedPack } from '../../src/eligibility/pack.ts';
import { joinPacks, packOfProduct, packsNamed } from '../../src/eligibility/packs.ts';
import { parsePack } from '../../src/eligibility/parse-pack.ts';
import { AppError } from '../../src/model/errors.ts';
import { loadPacks } from '../../src/state/stores/rule-packs.ts';
import { tempFolder } from '../temp.ts';
import { driver, factsOf, type Patch } from './facts.ts';

const { packs, broken } = joinPacks();
const verdict = (pack: string, patch: Patch, format = 'raw') =>
  judge(factsOf({ format }, 'linux', patch), packsNamed(packs, [pack]))[0]!.verdict;

describe('verdicts', () => {
  const azure = { 'image.variant': 'fixed', 'system.tools': [{ id: 'walinuxagent' }] };

  it('tells apart what runs, what is changed, what is warned of, what is blocked', () => {
    expect(broken).toEqual([]);
    expect(verdict('kvm', {})).toBe('runs');
    expect(verdict('vmware', {})).toBe('runs-with-changes');
    expect(verdict('kvm', { 'system.mounts.0.device': '/dev/sda1' })).toBe('runs-with-changes');
    expect(verdict('kvm', { 'volume.state': 'dirty' })).toBe('warnings');
    expect(verdict('azure', driver('hv_vmbus', 'module'), 'vhd')).toBe('unknown');
    expect(verdict('azure', { ...driver('hv_vmbus', 'module'), ...azure }, 'vhd')).toBe('runs-with-changes');
    expect(verdict('azure', { ...driver('hv_vmbus', 'missing'), ...azure }, 'vhd')).toBe('blocked');
  });

  it('is not known where a blocker asks for what was not found, and says what that is', () => {
    const [judged] = judge(factsOf({}, 'linux', { 'kernel.drivers': undefined }), packsNamed(packs, ['gcp']));
    expect(judged!.verdict).toBe('unknown');
    expect(judged!.open).toContainEqual({
      rule: 'gcp.virtio-drivers',
      severity: 'blocker',
      missing: ['kernel.drivers.virtio_pci', 'kernel.drivers.virtio_scsi'],
    });
  });

  it('names the elements that it was seen in, and counts the others', () => {
    const mounts = Array.from({ length: 6 }, (_, i) => ({
      ...{ device: `/dev/sda${i}`, mountPoint: `/m${i}`, kind: 'ext4', options: '' },
    }));
    const [judged] = judge(factsOf({}, 'linux', { 'system.mounts': mounts }), packsNamed(packs, ['kvm']));
    const found = judged!.findings.find(({ rule }) => rule === 'kvm.names-by-device');
    expect(found).toMatchObject({ message: expect.stringContaining('/m0 is mounted as /dev/sda0') });
    expect(found!.evidence).toBe(
      '/dev/sda0 on /m0, /dev/sda1 on /m1, /dev/sda2 on /m2, /dev/sda3 on /m3 and 2 more',
    );
  });

  it('knows the destination of a product', () => {
    expect(packOfProduct(packs, 'hyperv', 'uefi')?.id).toBe('hyperv-gen2');
    expect(packOfProduct(packs, 'hyperv', 'bios')?.id).toBe('hyperv-gen1');
    expect(packOfProduct(packs, 'files', 'bios')).toBeUndefined();
    expect(() => packsNamed(packs, ['aws', 'moon'])).toThrow(/"moon" is no destination/);
  });
});

const rule = {
  ...{
    id: 'large',
    severity: 'warning',
    title: 'large',
    message: '{disk.name} is large',
    source: { name: 'us' },
  },
  when: { each: 'disks', where: { fact: 'disk.sizeBytes', above: '1 GiB' } },
};
const pack = { id: 'lab', label: 'Our lab', version: '1', date: '2026-11-23', rules: [rule] };

describe("a user's packs", () => {
  const read = async (files: Readonly<Record<string, string>>) => {
    const folder = join(await tempFolder(), 'rules');
    await mkdir(folder);
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return loadPacks(folder);
  };

  it('are new ones, or extend one that is there; YAML or JSON', async () => {
    const loaded = await read({
      'lab.json': JSON.stringify({ ...pack, extends: 'kvm', without: ['tpm'] }),
      'aws.yaml': [
        ...['id: aws', 'label: AWS of ours', 'version: "2"', 'date: 2026-12-01', 'extends: aws', 'rules:'],
        '  - { id: grub, severity: note, title: t, message: m, when: { fact: firmware, is: bios }, source: { name: us } }',
      ].join('\n'),
      'notes.txt': 'not looked at',
    });
    expect(loaded.broken).toEqual([]);
    const [lab, aws] = packsNamed(loaded.packs, ['lab', 'aws']);
    const [ofLab, ofAws] = judge(factsOf({}, 'linux'), [lab!, aws!]);
    expect(ofLab!.findings.map((f) => f.message)).toEqual(['a.img is large']);
    expect(lab!.rules.map(({ id }) => id)).not.toContain('tpm');
    expect(ofAws).toMatchObject({ label: 'AWS of ours', findings: [{ rule: 'aws.grub', severity: 'note' }] });
    expect(aws!.rules.length).toBe(packsNamed(packs, ['aws'])[0]!.rules.length);
  });

  it('that are broken are left out and told, and the others stand', async () => {
    const loaded = await read({
      'a.json': '{',
      'b.json': JSON.stringify({ ...pack, id: 'b', extends: 'nowhere' }),
      'c.json': JSON.stringify({ ...pack, id: 'kvm', extends: ['vmware', 'vmware', 'c'] }),
      'd.json': JSON.stringify({ ...pack, id: 'd', extends: 'd' }),
      'e.json': JSON.stringify({ ...pack, id: 'lab' }),
      'f.json': JSON.stringify({ ...pack, id: 'lab' }),
      'g.json': `{"id": "${'x'.repeat(200_000)}"}`,
    });
    expect(loaded.broken.map(({ where }) => where.slice(-6))).toEqual([
      'a.json',
      'g.json',
      'f.json',
      'c.json',
      'b.json',
      'd.json',
    ]);
    expect(loaded.packs.map(({ id }) => id)).toEqual([...packs.map(({ id }) => id), 'lab']);
  });

  it('no folder is no failure', async () => {
    expect((await loadPacks(join(await tempFolder(), 'none'))).broken).toEqual([]);
  });

  it('can not steer a terminal, reach into objects, or be endless', () => {
    const shown = checkedPack({ ...pack, label: 'a\u001b[2Jb\u202e' }, 'x');
    expect(shown.label).toBe('a[2Jb');
    const refused = (change: object) => () => checkedPack({ ...pack, rules: [{ ...rule, ...change }] }, 'x');
    expect(refused({ when: { fact: 'disk.size', above: '1 moon' } })).toThrow(AppError);
    expect(refused({ when: { fact: 'a b', is: 1 } })).toThrow(AppError);
    expect(refused({ when: { fact: 'a', is: 1, above: 2 } })).toThrow(AppError);
    expect(refused({ when: { fact: 'a', matches: '(a+)+$' } })).toThrow(AppError);
    expect(refused({ source: 'nowhere' })).toThrow(/no source "nowhere"/);
    expect(refused({ source: { name: 'x', url: 'javascript:1' } })).toThrow(AppError);
    let deep: object = { fact: 'a', is: 1 };
    for (let i = 0; i < 1000; i++) deep = { not: deep };
    expect(refused({ when: deep })).toThrow(/nested deeper/);
    for (const text of ['[', '- ', '? ', '{a: '])
      expect(() => parsePack(text.repeat(20_000), 'x')).toThrow(AppError);
    expect(() => parsePack('k: 1\n'.repeat(5_000), 'x')).toThrow(AppError);
    expect(() => parsePack('a: &a [1]\nb: *a', 'x')).toThrow(AppError);
    const hidden = checkedPack(
      { ...pack, rules: [{ ...rule, when: { fact: 'machine.constructor.name', present: true } }] },
      'x',
    );
    expect(judge(factsOf({}, 'linux'), [hidden])[0]!.findings).toEqual([]);
  });
});

it('of a product alone its pack is the same as among all', () => {
  const all = joinPacks().packs;
  const products = new Set(all.flatMap((pack) => pack.products?.map(({ id }) => id) ?? []));
  expect(products.size).toBeGreaterThan(4);
  for (const product of products) {
    for (const firmware of ['bios', 'uefi'] as const) {
      const { packs, broken } = joinPacks([], product);
      expect(broken).toEqual([]);
      expect(packOfProduct(packs, product, firmware)).toEqual(packOfProduct(all, product, firmware));
    }
  }
});
