import { expect, it } from 'vitest';
import type { Edit } from '../../../src/guest/change/edit.ts';
import { neededRoom, roomFindings } from '../../../src/guest/change/room.ts';
import type { VolumeFacts } from '../../../src/guest/filesystems/files.ts';
import { memoryFiles } from './memory-files.ts';

const bytes = (length: number) => Buffer.alloc(length);
const edits: readonly Edit[] = [
  { kind: 'write', path: '/a', content: bytes(5000), before: bytes(100) },
  { kind: 'write', path: '/b', content: bytes(1) },
  { kind: 'append', path: '/c', content: bytes(4096), size: 1 },
  { kind: 'copy', path: '/d', from: '/c', size: 8192 },
  { kind: 'folder', path: '/e' },
  { kind: 'remove', path: '/f', before: bytes(10) },
  { kind: 'link', path: '/g', target: 'x' },
];

const mount = (facts: Partial<VolumeFacts>) => ({
  ...{ name: 'partition 2', mountPoint: '/boot' },
  files: {
    ...memoryFiles({}),
    facts: { blockBytes: 4096, sizeBytes: 1e6, state: 'clean' as const, notes: [], ...facts },
  },
});

it('counts whole blocks and new files', () => {
  expect(neededRoom(edits, 4096)).toEqual({ blocks: 1 + 1 + 1 + 2 + 1 - 1, files: 3 });
});

it.each([
  [{}, []],
  [{ freeBytes: 5 * 4096, freeInodes: 3 }, []],
  [{ freeBytes: 5 * 4096 - 1 }, [/\/boot is too full .* 20 KiB are needed/]],
  [{ freeBytes: 1e6, freeInodes: 2 }, [/3 files .* inodes for 2/]],
])('a volume with %o', (facts, messages) => {
  expect(roomFindings(mount(facts), edits)).toEqual(
    messages.map((message) =>
      expect.objectContaining({ severity: 'blocker', message: expect.stringMatching(message) }),
    ),
  );
});
