import { describe, expect, it } from 'vitest';
import { changedAreas } from '../../../src/env-plugins/vsphere/changed-areas.ts';
import type { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { parseXml } from '../../../src/io/xml.ts';
import { AppError } from '../../../src/model/errors.ts';

type Area = readonly [start: number | string, length: number | string];

const answer = (start: number | string, length: number | string, ...areas: Area[]) =>
  `<returnval><startOffset>${start}</startOffset><length>${length}</length>${areas
    .map(([at, bytes]) => `<changedArea><start>${at}</start><length>${bytes}</length></changedArea>`)
    .join('')}</returnval>`;

/** Answers one after the other, then a fault. */
function asked(...answers: (string | AppError)[]) {
  const offsets: string[] = [];
  const session = {
    async call(_method: string, _self: unknown, parameters: readonly string[]) {
      offsets.push(/<startOffset>(\d+)</.exec(parameters.join(''))![1]!);
      const next = answers.shift() ?? new AppError('io', 'InvalidArgument (startOffset)');
      if (typeof next !== 'string') throw next;
      return next === '' ? [] : [parseXml(Buffer.from(next), 'answer')];
    },
  } as unknown as VimSession;
  const vm = { type: 'VirtualMachine', id: 'vm-1' };
  const told = changedAreas({ session, vm, snapshot: undefined, key: 2000, size: 1000 }, '52/1', undefined);
  return { told, offsets };
}

describe('what changed', () => {
  it('is asked for to the end and no further, and joined', async () => {
    const { told, offsets } = asked(
      answer(0, 600, [100, 50], [150, 50], [590, 10]),
      answer(600, 400, [600, 8]),
    );
    expect(await told).toEqual({
      ranges: [
        { offset: 100, length: 100 },
        { offset: 590, length: 18 },
      ],
    });
    expect(offsets).toEqual(['0', '600']);
  });

  it('is cut at the end of the disk', async () => {
    const { told } = asked(answer(0, 4096, [900, 200], [2000, 96]));
    expect(await told).toEqual({ ranges: [{ offset: 900, length: 100 }] });
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['no range', '<returnval/>'],
    ['a range that is empty, for ever', answer(0, 0)],
    ['another range than was asked for', answer(512, 488)],
    ['an area before the range of the one before', answer(0, 1000, [500, 10], [400, 10])],
    ['areas that overlap', answer(0, 1000, [500, 10], [505, 10])],
    ['an area past its range', answer(0, 600, [590, 20])],
    ['a number that is none', answer(0, 1000, ['-5', 10])],
    ['a number too large', answer(0, 1000, [0, '99999999999999999999'])],
  ])('is not known where the server tells %s', async (_, xml) => {
    expect(await asked(xml).told).toEqual({ unknown: expect.stringContaining('list of changes') });
  });

  it('is not known after a fault, also a late one; other errors are told', async () => {
    expect(await asked(answer(0, 500)).told).toEqual({ unknown: 'InvalidArgument (startOffset)' });
    for (const kind of ['auth', 'unreachable', 'cancelled'] as const)
      await expect(asked(new AppError(kind, 'x')).told).rejects.toMatchObject({ kind });
  });
});
