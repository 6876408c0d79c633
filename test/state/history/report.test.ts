import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allReports, oneReport, writeReports } from '../../../src/state/history/export.ts';
import { reportOf, stretches } from '../../../src/state/history/report.ts';
import { markdownOf } from '../../../src/state/history/report-markdown.ts';
import { tempFolder } from '../../temp.ts';
import { rich } from './entries.ts';

async function text(pieces: AsyncIterable<string>): Promise<string> {
  let all = '';
  for await (const piece of pieces) all += piece;
  return all;
}

it('tells on a page all that the journal has', () => {
  const page = markdownOf(rich);
  const wanted = [
    '# web01 to lab',
    '| Outcome | failed |',
    '| From | esx (vsphere): vm-17 |',
    '| Run by | op on jump |',
    '| With | vmferry 0.1.0 |',
    '| Goes on with | 20261122-100000-0001 |',
    '- the link was cut (io)\n- where: lab\n- what helps: try it again',
    '| system | 8 GiB | 1 GiB | 1 GiB | 1:30 | 11.4 MiB/s | the same, in 0:30 |',
    '| data | 8 GiB |  | 5 B, not to its end | 0:01 | 5 B/s | no |',
    `| system | sha256 | ${'ab'.repeat(32)} |`,
    '| warning | nvme is not offered (disk 1) | say --disk-bus sata | disk.bus-not-offered |',
    '| fstab by UUID | names of disks change | needed | /etc/fstab (changed) | fstab.uuid |',
    'Lowest 10 MiB/s, middle 30 MiB/s, highest 50 MiB/s',
    '| the volume web01-1 | virsh vol-delete web01-1 default |',
    '- the link is slow',
    '  - system becomes web01.qcow2',
    '10:00:01 warning: the link is slow',
    'newer than this vmferry',
  ];
  for (const part of wanted) expect(page).toContain(part);
  expect(page).toContain('```text\n▂▅█\n```');
});

it('has a shape that programs can rely on', () => {
  const report = reportOf(rich) as Record<string, unknown>;
  expect(report).toMatchObject({
    format: 'vmferry.run-report',
    version: 1,
    startedAt: '2026-11-23T10:00:00.000Z',
    by: { program: '0.1.0', user: 'op', host: 'jump' },
    rates: [{ seconds: 10, bytes: 100 * 2 ** 20, bytesPerSecond: 10 * 2 ** 20 }, {}, {}],
    disks: [{ id: 'd1', digests: [{ algorithm: 'sha256' }], verifiedSeconds: 30 }, { whole: false }],
    warnings: ['the link is slow'],
    leftovers: rich.leftovers,
    journal: { newer: 2, passedOver: { acked: 4 }, otherEvents: [{ type: 'of-tomorrow' }] },
  });
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

it('tells no rate where the clock was set back', () => {
  const rates = stretches([
    { at: 10_000, bytes: 1 },
    { at: 5000, bytes: 2 },
    { at: 7000, bytes: 2 },
  ]);
  expect(rates).toEqual([{ at: 7000, seconds: 2, bytes: 2, bytesPerSecond: 0 }]);
});

it('puts several into one file, in either format', async () => {
  const entry = async (id: string) => ({ ...rich, id });
  const runs = [rich, { ...rich, id: 'other' }];
  const json = JSON.parse(await text(allReports(runs, 'json', entry)));
  expect(json).toMatchObject({
    format: 'vmferry.run-reports',
    version: 1,
    runs: [{ id: rich.id }, { id: 'other' }],
  });
  expect(JSON.parse(await text(allReports([], 'json', entry)))).toMatchObject({ runs: [] });
  const page = await text(allReports(runs, 'markdown', entry));
  expect(page).toMatch(/^# 2 conversions\n\n\| Id \|/);
  expect(page.match(/^## web01 to lab$/gm)).toHaveLength(2);
});

it('writes whole files, and replaces none unless that is said', async () => {
  const path = join(await tempFolder(), 'report.md');
  await writeReports(oneReport(rich, 'markdown'), path, false);
  expect(await readFile(path, 'utf8')).toBe(markdownOf(rich));
  await expect(writeReports(oneReport(rich, 'json'), path, false)).rejects.toMatchObject({
    kind: 'conflict',
  });
  const lost = writeReports(oneReport(rich, 'json'), `${path}/no/where.md`, false);
  await expect(lost).rejects.toMatchObject({ kind: 'not-found', where: `${path}/no/where.md` });
  await expect(writeReports(oneReport(rich, 'json'), join(path, '..'), true)).rejects.toMatchObject({
    kind: 'usage',
  });
  async function* broken() {
    yield 'half';
    throw new Error('the journal is gone');
  }
  await expect(writeReports(broken(), path, true)).rejects.toThrow('the journal is gone');
  expect(await readFile(path, 'utf8')).toBe(markdownOf(rich));
  await writeReports(oneReport(rich, 'json'), path, true);
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ id: rich.id });
});

it('says nothing that would steer a terminal', async () => {
  const name = 'evil\u001b[2J\u202egpj\u009b1m';
  for (const format of ['markdown', 'json'] as const) {
    const out = await text(
      oneReport({ ...rich, title: name, log: [{ at: 0, level: 'info', text: name }] }, format),
    );
    expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  }
});
