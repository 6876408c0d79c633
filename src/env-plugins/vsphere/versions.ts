/** Which version of the API is spoken: vimServiceVersions.xml lists what the server knows. */
import { child, childrenOf, parseXml, textOf } from '../../io/xml.ts';

/** `6.5`, `8.0.2.0`: each number counts. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((v) => v.split('.').map(Number));
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const difference = (left![i] ?? 0) - (right![i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Written for these; a server that knows only later ones is taken at its oldest. */
export const newestKnown = '8.0.3.0';
export const oldestKnown = '2.5';

/** The highest version of `urn:vim25` that both know. */
export function chooseVersion(bytes: Uint8Array, where: string): string | undefined {
  const namespaces = childrenOf(parseXml(bytes, where), 'namespace');
  const vim = namespaces.find((n) => textOf(n, 'name') === 'urn:vim25');
  if (vim === undefined) return undefined;
  const prior = child(vim, 'priorVersions');
  const offered = [
    ...childrenOf(vim, 'version'),
    ...(prior === undefined ? [] : childrenOf(prior, 'version')),
  ]
    .map((v) => v.text.trim())
    .filter((v) => /^\d{1,4}(\.\d{1,4}){0,5}$/.test(v))
    .sort(compareVersions);
  return offered.findLast((v) => compareVersions(v, newestKnown) <= 0) ?? offered[0];
}
