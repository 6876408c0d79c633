/** How a guest configures its network, whichever system it has for that. */
import { plainText } from '../../text.ts';

export type NetworkSystem =
  | 'ifcfg'
  | 'interfaces'
  | 'netplan'
  | 'network-manager'
  | 'networkd'
  | 'cloud-init'
  | 'udev'
  | 'systemd-link';

/** Of IPv4. `none`: up without an address. */
export type AddressMethod = 'dhcp' | 'static' | 'none' | 'unknown';

export interface NetworkInterface {
  /** As the configuration names it; may be a pattern (`en*`). Absent where it goes by the MAC alone. */
  readonly name?: string;
  /** The card's own address, where the configuration goes by it; lower case, colons. */
  readonly mac?: string;
  readonly method: AddressMethod;
  /** With prefix, IPv4 and IPv6: `192.0.2.5/24`. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  readonly dns: readonly string[];
  /** `ethernet`, `bond`, `bridge`, `vlan` … where it is said. */
  readonly kind?: string;
  /** The file that says so. */
  readonly file: string;
}

export interface NetworkConfig {
  readonly system: NetworkSystem;
  readonly interfaces: readonly NetworkInterface[];
}

export const maxInterfaces = 1000;

/** Undefined for what is no address of a card. */
export function macOf(text: string | undefined): string | undefined {
  const hex = text?.trim().toLowerCase().replaceAll('-', ':');
  return hex !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(hex) ? hex : undefined;
}

/** Of `255.255.255.0`, 24; of a number, itself. Undefined for what is no mask. */
export function prefixOf(mask: string | undefined): number | undefined {
  if (mask === undefined) return undefined;
  if (/^\d{1,3}$/.test(mask)) return Number(mask) <= 128 ? Number(mask) : undefined;
  const bytes = mask.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) return undefined;
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits) ? (bits.indexOf('0') < 0 ? 32 : bits.indexOf('0')) : undefined;
}

/** The address with the prefix that it has, or that is given beside it. */
export function withPrefix(address: string, mask?: string): string {
  const plain = plainText(address, 64);
  const prefix = plain.includes('/') ? undefined : prefixOf(mask);
  return prefix === undefined ? plain : `${plain}/${prefix}`;
}

/** Words between blanks, commas or semicolons, without empty ones. */
export function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(/[\s,;]+/)
    .filter(Boolean)
    .slice(0, 100)
    .map((word) => plainText(word, 64));
}
