/** An earlier conversion that has everything a journal can tell. */
import type { HistoryEntry } from '../../../src/state/state.ts';

const start = Date.parse('2026-11-23T10:00:00.000Z');

export const rich: HistoryEntry = {
  id: '20261123-100000-0001',
  title: 'web01 to lab',
  outcome: 'failed',
  startedAt: start,
  endedAt: start + 95_000,
  seconds: 95,
  bytes: 2 ** 30,
  bytesWritten: 2 ** 29,
  places: ['/srv/web01.qcow2'],
  failure: { kind: 'io', message: 'the link was cut', where: 'lab', hint: 'try it again' },
  about: {
    machine: 'web01',
    source: { environment: 'vsphere', name: 'esx', machine: 'vm-17' },
    destination: {
      environment: 'libvirt',
      name: 'lab',
      product: 'qemu',
      container: 'disks',
      format: 'qcow2',
    },
  },
  program: '0.1.0',
  partsOf: '20261122-100000-0001',
  user: 'op',
  host: 'jump',
  log: [
    { at: start, level: 'info', text: 'opening the source' },
    { at: start + 1000, level: 'warning', text: 'the link is slow' },
  ],
  findings: [
    {
      rule: 'disk.bus-not-offered',
      severity: 'warning',
      message: 'nvme is not offered',
      evidence: 'disk 1',
      remedy: 'say --disk-bus sata',
    },
  ],
  changes: [
    {
      id: 'fstab.uuid',
      title: 'fstab by UUID',
      reason: 'names of disks change',
      need: 'needed',
      files: [{ path: '/etc/fstab', kind: 'changed', diff: '-a\n+b\n' }],
    },
  ],
  disks: [
    {
      ...{ id: 'd1', name: 'system', sizeBytes: 2 ** 33, allocatedBytes: 2 ** 30, bytesRead: 2 ** 30 },
      ...{ seconds: 90, whole: true, verifiedSeconds: 30 },
    },
    { id: 'd2', name: 'data', sizeBytes: 2 ** 33, bytesRead: 5, seconds: 1, whole: false },
  ],
  passes: [{ number: 1, last: false, bytesRead: 2 ** 30, bytesChanged: 2 ** 30, seconds: 60 }],
  points: [0, 10, 20, 30].map((s) => ({ at: start + s * 1000, bytes: s * s * 2 ** 20 })),
  digests: [{ disk: 'd1', algorithm: 'sha256', value: 'ab'.repeat(32) }],
  leftovers: [{ what: 'the volume web01-1', command: 'virsh vol-delete web01-1 default' }],
  logLeftOut: 3,
  other: [{ type: 'of-tomorrow' }],
  planText: ['Machine web01, from vm-17', '  system becomes web01.qcow2'],
  planProblem: 'it names a format that is gone',
  newer: 2,
  journal: { truncated: true, damagedLines: 2, passedOver: { acked: 4 } },
};
