/** The MAC address of a card in the files of every configuration system. */

const separators = (mac: string) => mac.replaceAll(':', '[:-]');

export const namesMac = (text: string, mac: string): boolean =>
  text.split('\n').some((line) => !/^\s*#/.test(line) && new RegExp(separators(mac), 'i').test(line));

/**
 * Where the new address is not known, `match` takes its place (the card's name, or a pattern), or nothing, where the
 * configuration says by itself which card it is for. Without `match` it stays.
 */
export function replaceMac(text: string, old: string, now: string | undefined, match?: string): string {
  if (now !== undefined) return text.replace(new RegExp(separators(old), 'gi'), now);
  if (match === undefined) return text;
  const mac = `["']?${separators(old)}["']?`;
  const line = (key: string) => new RegExp(`^([ \\t]*)((?:${key})[ \\t]*=[ \\t]*${mac})[ \\t]*$`, 'gim');
  const named = /^\s*Name\s*=/m.test(text);
  return (
    text
      // ifcfg; a keyfile of NetworkManager, whose connection without an address and a name is one for any card
      .replace(line('HWADDR|mac-address'), '$1#$2')
      // systemd.network(5): without anything to match it would be for all, `lo` as well
      .replace(line('(?:Permanent)?MACAddress'), named ? '$1#$2' : `$1Name=${match}`)
      // netplan: `set-name` is refused without a match
      .replace(new RegExp(`(\\bmatch:\\s*\\{?\\s*)macaddress:\\s*${mac}`, 'gi'), `$1name: "${match}"`)
  );
}
