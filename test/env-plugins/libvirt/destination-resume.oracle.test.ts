/** A delivery into a pool of libvirt that is stopped on its way, and gone on with. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { suspension } from '../../../src/convert/run-context.ts';
import { RateLimit } from '../../../src/io/rate-limit.ts';
import { type JournalLine, parseLine } from '../../../src/state/stores/journal-lines.ts';
import { ResumeWriter, resumableOf } from '../../../src/state/stores/resume-lines.ts';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';
import { tempFolder } from '../../temp.ts';
import { testPool } from './destination-pool.ts';
import { convertInto } from './destination-run.ts';

const MiB = 2 ** 20;

describeWith([...libvirtdTools], 'a delivery to libvirt that was stopped', () => {
  const libvirtd = useLibvirtd();

  it('leaves its volume, and the machine is there once it was gone on with', async () => {
    const pool = await testPool(libvirtd());
    const disk = join(await tempFolder(), 'source.raw');
    await writeFile(disk, randomBytes(96 * MiB));
    const lines: JournalLine[] = [];
    const stop = new AbortController();
    const journal = {
      line(type: string, data: object) {
        lines.push(parseLine(JSON.stringify({ type, at: '2026-01-01T00:00:00.000Z', ...data }))!);
        if (type === 'acked') stop.abort(suspension);
      },
      written: async () => undefined,
    };
    const limit = new RateLimit(9 * MiB);
    const record = new ResumeWriter(journal, 'boot');
    const context = { record, take: (bytes: number) => limit.take(bytes) };
    const stopped = await convertInto(pool, disk, 'm', { signal: stop.signal, context }).catch(
      (error) => error,
    );
    expect(stopped.message).toMatch(/what was written is kept/);
    expect(await pool.domains()).toEqual([]);
    const [part] = await pool.names();
    expect(part).toMatch(/^\.m\.qcow2\.vmferry-.*\.part$/);

    const left = resumableOf(lines, 'boot');
    if ('reason' in left) throw new Error(left.reason);
    const { resumption } = left;
    const again = new ResumeWriter({ ...journal, line: () => undefined }, 'boot', {
      resumption,
      claim: async () => undefined,
    });
    const { bytes } = await convertInto(pool, disk, 'm', { context: { record: again, resumption } });
    expect(bytes).toBeLessThan(70 * MiB);
    expect(await pool.domains()).toEqual(['m']);
    await compareImages(disk, 'raw', join(pool.folder, 'm.qcow2'), 'qcow2');
    expect(await pool.names()).toEqual(['m.qcow2']);
  });
});
