/** What the Guest Additions have told of the system inside, as far as the settings keep it. Pure. */
import { attribute, type XmlElement } from '../../io/xml.ts';
import type { GuestSystem } from '../../model/machine.ts';
import { readGuestType } from './guest-type.ts';
import { allAt } from './settings-file.ts';

const place = '/VirtualBox/GuestInfo/OS/';

/** A program inside the guest writes them: only plain words count. */
const plain = /^[\p{L}\p{N}][\p{L}\p{N} .,()/_+-]{0,63}$/u;

function told(hardware: XmlElement | undefined, name: string): string | undefined {
  const found = allAt(hardware, ['GuestProperties'], 'GuestProperty').find(
    (property) => attribute(property, 'name') === place + name,
  );
  const value = found && attribute(found, 'value')?.trim();
  return value !== undefined && plain.test(value) ? value : undefined;
}

const familyOf = (product: string): GuestSystem['family'] =>
  /windows/i.test(product)
    ? 'windows'
    : /linux/i.test(product)
      ? 'linux'
      : /bsd/i.test(product)
        ? 'bsd'
        : 'other';

/**
 * The type that a person chose says more of a Linux than its additions do, unless it is of another family; of Windows
 * the additions know better.
 */
export function systemOf(osType: string, hardware: XmlElement | undefined): GuestSystem | undefined {
  const chosen = readGuestType(osType);
  const product = told(hardware, 'Product');
  if (product === undefined) return chosen;
  const family = familyOf(product);
  if (chosen?.family === family && family !== 'windows') return chosen;
  const version = family === 'windows' ? told(hardware, 'Version') : undefined;
  const architecture = chosen?.architecture ?? (/_64$/.test(osType) ? 'x86_64' : undefined);
  return {
    ...{ name: product, family },
    ...(version === undefined ? {} : { version }),
    ...(architecture === undefined ? {} : { architecture }),
  };
}
