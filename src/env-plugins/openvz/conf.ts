/** Configuration files of OpenVZ (ctid.conf(5), vz.conf(5)): lines `NAME="value"`, read as data and never run. */

export type Conf = ReadonlyMap<string, string>;

/** Lines that are none are passed over, as vzctl does; of two with one name the last counts. */
export function parseConf(text: string): Conf {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, rest = ''] = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined) continue;
    const quote = rest[0];
    if (quote !== '"' && quote !== "'") found.set(name, rest.replace(/\s.*$/, ''));
    else {
      const end = rest.indexOf(quote, 1);
      found.set(name, rest.slice(1, end < 0 ? undefined : end));
    }
  }
  return found;
}

/** `$VEID` is all that may stand for something in a path. */
export const withVeid = (value: string, ctid: string): string =>
  value.replace(/\$(?:\{VEID\}|VEID(?![A-Za-z0-9_]))/g, () => ctid);

/** Memory's page where OpenVZ runs (x86). */
const pageBytes = 4096;
/** What the kernel takes for "no limit": LONG_MAX of 64 and of 32 bits. */
const noLimits = new Set(['unlimited', '9223372036854775807', '2147483647']);
const suffixes: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  P: pageBytes,
};

/** Bytes of one number; without a suffix it counts `unit`s. Undefined where it is no number, or no limit. */
function bytesOf(text: string, unit: number): number | undefined {
  const plain = text.trim();
  if (noLimits.has(plain)) return undefined;
  const [, digits, suffix = ''] = /^(\d{1,19}(?:\.\d+)?)([BKMGTP]?)$/i.exec(plain) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Math.floor(Number(digits) * (suffix === '' ? unit : suffixes[suffix.toUpperCase()]!));
  // More than an exbibyte is another way to say that there is no limit.
  return bytes > 0 && bytes < 2 ** 50 ? bytes : undefined;
}

/** `barrier:limit`, or one number for both: the one that `which` says. */
function limitOf(value: string | undefined, which: 'barrier' | 'limit', unit: number): number | undefined {
  if (value === undefined) return undefined;
  const [barrier = '', limit = barrier] = value.split(':');
  return bytesOf(which === 'limit' ? limit : barrier, unit);
}

/** What it may use: RAM with VSwap, else what it may allocate. */
export const memoryBytes = (conf: Conf): number | undefined =>
  bytesOf(conf.get('RAM') ?? '', 1) ??
  limitOf(conf.get('PHYSPAGES'), 'limit', pageBytes) ??
  limitOf(conf.get('PRIVVMPAGES'), 'barrier', pageBytes);

/** In blocks of 1 KiB. */
export const diskSpaceBytes = (conf: Conf): number | undefined =>
  limitOf(conf.get('DISKSPACE'), 'barrier', 1024);

/** CPULIMIT is a percentage of one processor, 0 for none. */
export function processorCount(conf: Conf): number | undefined {
  const cpus = Number(conf.get('CPUS') ?? '');
  if (Number.isInteger(cpus) && cpus > 0 && cpus <= 4096) return cpus;
  const percent = Number((conf.get('CPULIMIT') ?? '').replace(/%$/, ''));
  return percent > 0 && percent <= 409_600 ? Math.ceil(percent / 100) : undefined;
}

/** `a=1,b=2;a=3` as NETIF and DISK are written: a list of parameters by name. */
export const parameterLists = (value: string | undefined): ReadonlyMap<string, string>[] =>
  (value ?? '')
    .split(';')
    .filter((one) => one.trim() !== '')
    .map(
      (one) =>
        new Map(
          one.split(',').map((pair) => {
            const at = pair.indexOf('=');
            return at < 0 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
          }),
        ),
    );

export const wordsOf = (value: string | undefined): string[] =>
  (value ?? '').split(/\s+/).filter((word) => word !== '');
