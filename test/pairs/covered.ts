/** Which finding tells of which field: a change without one is a loss that nobody was told of. */
import type { Finding } from '../../src/model/finding.ts';
import { type Difference, type FieldName, fieldNames } from './fields.ts';

const bus = ['disk bus', 'disk controller', 'disk place'] as const;

const tellsOf: Readonly<Record<string, readonly FieldName[]>> = {
  'nic.network-missing': ['card network'],
  'network.changed': ['card network'],
  'hyperv.no-switch': ['card network'],
  'nic.model-changed': ['card model'],
  'nic.mac-generated': ['card address'],
  'nic.mac-impossible': ['card address'],
  'disk.bus-changed': bus,
  'vmware.disk-bus-changed': bus,
  'virtualbox.disk-bus-changed': bus,
  'vmware.nvram-foreign': ['firmware variables'],
  'vmware.nvram-lost': ['firmware variables'],
  'xapi.nvram-foreign': ['firmware variables'],
  'hyperv.nvram-left': ['firmware variables'],
  'virtualbox.nvram-foreign': ['firmware variables'],
  'firmware.nvram-not-carried': ['firmware variables'],
  'virtualbox.no-secure-boot': ['Secure Boot'],
  'vmware.no-secure-boot': ['Secure Boot'],
  'tpm.missing': ['TPM'],
  'tpm.empty': ['TPM'],
  'vmware.tpm-lost': ['TPM'],
  'xen.tpm-new': ['TPM'],
  'virtualbox.tpm-new': ['TPM'],
  'hyperv.tpm-left': ['TPM'],
  'xen.uuid-new': ['UUID'],
  'domain.uuid-taken': ['UUID'],
  'vsphere.uuid-taken': ['UUID'],
  'xen.chipset-changed': ['chipset'],
  'xen.serial-lost': ['disk serial number'],
};

/** Words of `hyperv.not-carried`. */
const hypervWords: readonly (readonly [word: string, field: FieldName])[] = [
  ['TPM', 'TPM'],
  ['UUID', 'UUID'],
  ['cores per socket', 'cores per socket'],
  ['CD drives but one', 'CD drives'],
  ['media in its CD drives', 'CD media'],
  ['adapters that were not connected', 'card connected'],
];

/** Parts that `machine.parts-not-carried` names. */
export const partsIn = (evidence = ''): FieldName[] =>
  fieldNames.filter((field) => evidence.startsWith(`${field} (`) || evidence.includes(`; ${field} (`));

function fieldsOf({ rule, evidence = '' }: Finding): readonly FieldName[] {
  if (rule === 'machine.parts-not-carried') return partsIn(evidence);
  if (rule === 'hyperv.not-carried')
    return hypervWords.flatMap(([word, field]) => (evidence.includes(word) ? [field] : []));
  return tellsOf[rule] ?? [];
}

/** Whether it speaks of this one disk or card, where there is a finding for each. */
const speaksOf = ({ rule, message, evidence = '' }: Finding, names: readonly string[] | undefined): boolean =>
  names === undefined ||
  /not-carried$|serial-lost$/.test(rule) ||
  names.some((name) => `${message} ${evidence}`.includes(name));

/** What tells of it, the worst first; none: nobody was told. */
export function tellersOf(
  { field, names }: Pick<Difference, 'field' | 'names'>,
  findings: readonly Finding[],
): Finding[] {
  const told = findings.filter((one) => fieldsOf(one).includes(field) && speaksOf(one, names));
  return told.sort((a, b) => (a.severity === b.severity ? 0 : a.severity === 'warning' ? -1 : 1));
}
