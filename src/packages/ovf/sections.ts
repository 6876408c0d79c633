/** The sections of a descriptor: what they are, and what it means that some are not taken over. */

import { attribute, childrenOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';

/** OVF's own elements; oVirt's sections are in no namespace or in its own. */
export const isOvf = (element: XmlElement): boolean =>
  element.uri === '' ||
  /^http:\/\/(?:schemas\.dmtf\.org\/ovf\/|www\.vmware\.com\/schema\/ovf\/1\/|www\.ovirt\.org\/ovf)/.test(
    element.uri,
  );

/** `DiskSection`, also where it is written as `<Section xsi:type="ovf:DiskSection_Type">` (0.9, oVirt). */
export function sectionKind(element: XmlElement): string {
  if (!isOvf(element)) return `${element.uri} ${element.local}`;
  if (element.local !== 'Section' && element.local !== 'Content') return element.local;
  return (attribute(element, 'type') ?? element.local).replace(/^.*:/, '').replace(/_Type$/, '');
}

const understood = new Set([
  'References',
  'VirtualSystem',
  'VirtualSystemCollection',
  'Info',
  'Name',
  'Strings',
  'AnnotationSection',
  'OperatingSystemSection',
  'VirtualHardwareSection',
]);
const leftOut: Record<string, string> = {
  EulaSection: 'a licence agreement, which is not shown',
  InstallSection: 'an installation that wants to boot first',
  StartupSection: 'an order to start the machines in',
  ResourceAllocationSection: 'reservations of resources',
  BootDeviceSection: 'an order of boot devices',
  EnvironmentFilesSection: 'files for the guest',
};

/** What a section that is not taken over means to the user. */
export function noteSection(section: XmlElement, kind: string, findings: Finding[]): void {
  const note = (rule: string, severity: Finding['severity'], message: string) =>
    findings.push({ rule, severity, message, evidence: section.local });
  if (kind === 'EncryptionSection') {
    throw new AppError('unsupported', 'the package is encrypted', {
      hint: 'export the machine again without a password',
    });
  }
  if (kind === 'ProductSection') {
    const count = childrenOf(section, 'Property').length;
    if (count > 0) {
      note(
        'ovf.properties',
        'note',
        `${count} properties that VMware gives to the guest at start are left out`,
      );
    }
    return;
  }
  const known = leftOut[kind];
  if (known !== undefined) note('ovf.section-left-out', 'note', `the package has ${known}; it is left out`);
  else if (!understood.has(kind) && attribute(section, 'required') === 'true') {
    note(
      'ovf.required-not-understood',
      'warning',
      `the section <${section.local}> is required, and not understood`,
    );
  }
}
