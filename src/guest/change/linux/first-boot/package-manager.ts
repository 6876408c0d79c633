/** The package managers of Linux, as shell commands. Names and paths are put in as they are: give safe ones. */
import type { InstalledSystem } from '../../../../model/guest-report.ts';

export interface PackageManager {
  readonly kind: 'dpkg' | 'rpm' | 'apk' | 'pacman';
  /** How its packages' files end. */
  readonly endings: readonly string[];
  /** Files, by a pattern of the shell. */
  installFiles(pattern: string): string;
  /** From the repositories of the guest. */
  install(name: string): string;
  /** Succeeds when it is installed. */
  has(name: string): string;
  remove(name: string): string;
}

/** apt waits for who holds its lock, such as the daily updates. */
const apt = 'DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300';

const managers: readonly PackageManager[] = [
  {
    kind: 'dpkg',
    endings: ['.deb'],
    installFiles: (files) =>
      `DEBIAN_FRONTEND=noninteractive dpkg -i --force-confold ${files} || ${apt} -f install`,
    install: (name) => `{ ${apt} update || true; ${apt} install ${name}; }`,
    has: (name) => `dpkg-query -W -f '\${Status}' ${name} 2>/dev/null | grep -q ' installed$'`,
    remove: (name) => `${apt} purge ${name}`,
  },
  {
    kind: 'rpm',
    endings: ['.rpm'],
    installFiles: (files) => `rpm -U --replacepkgs ${files} || ${anyOf('install', files)}`,
    install: (name) => anyOf('install', name),
    has: (name) => `rpm -q ${name} >/dev/null 2>&1`,
    remove: (name) => anyOf('remove', name),
  },
  {
    kind: 'apk',
    endings: ['.apk'],
    installFiles: (files) => `apk add --allow-untrusted ${files}`,
    install: (name) => `{ apk update || true; apk add ${name}; }`,
    has: (name) => `apk info -e ${name} >/dev/null 2>&1`,
    remove: (name) => `apk del ${name}`,
  },
  {
    kind: 'pacman',
    endings: ['.pkg.tar.zst', '.pkg.tar.xz', '.pkg.tar.gz'],
    installFiles: (files) => `pacman -U --noconfirm ${files}`,
    install: (name) => `pacman -Sy --noconfirm --needed ${name}`,
    has: (name) => `pacman -Q ${name} >/dev/null 2>&1`,
    remove: (name) => `pacman -R --noconfirm ${name}`,
  },
];

/** Of the programs that stand above rpm, the one that is there. */
function anyOf(verb: 'install' | 'remove', what: string): string {
  const tries = ['dnf -y', 'yum -y', 'zypper --non-interactive --no-gpg-checks'].map((program, i) => {
    const name = program.split(' ')[0]!;
    return `${i === 0 ? 'if' : 'elif'} command -v ${name} >/dev/null 2>&1; then ${program} ${verb} ${what}; `;
  });
  return `{ ${tries.join('')}else ${verb === 'remove' ? `rpm -e ${what}` : 'false'}; fi; }`;
}

/** Distributions by what os-release calls them or what they are like. */
const byDistribution: Readonly<Record<string, PackageManager['kind']>> = {
  debian: 'dpkg',
  ubuntu: 'dpkg',
  rhel: 'rpm',
  fedora: 'rpm',
  centos: 'rpm',
  ol: 'rpm',
  amzn: 'rpm',
  suse: 'rpm',
  opensuse: 'rpm',
  sles: 'rpm',
  alpine: 'apk',
  arch: 'pacman',
};

/** os-release's ID and what it is like, the nearest first. */
export const familiesOf = ({ distribution, like = [] }: InstalledSystem): string[] =>
  [distribution, ...like].flatMap((name) =>
    name === undefined ? [] : [name.replace(/^opensuse-.*/, 'opensuse')],
  );

export function packageManagerOf(system: InstalledSystem): PackageManager | undefined {
  const kind =
    system.packages?.kind ??
    familiesOf(system)
      .map((name) => byDistribution[name])
      .find((found) => found !== undefined);
  return managers.find((manager) => manager.kind === kind);
}
