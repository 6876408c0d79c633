/** The machine that is replaced and the one that is defined: what is done to them can be taken back, also when its answer was lost. */
import { AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { DeliveryRequest } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import {
  type ExistingDomain,
  inspectExisting,
  type KnownDomain,
  knownDomains,
  replacingFindings,
} from './existing-domain.ts';
import { virshCommand } from './virsh.ts';
import { fed, virshWithInput } from './virsh-input.ts';

export class DomainChange {
  readonly #libvirt: Libvirt;
  /** Under another name now, with the one that it had. */
  #replaced: ExistingDomain | undefined;
  #defined: KnownDomain | undefined;

  constructor(libvirt: Libvirt) {
    this.#libvirt = libvirt;
  }

  /** Gives the machine that has the name another one, until ours is defined. @throws AppError `conflict`. */
  async setAside({ name, force, runId }: DeliveryRequest): Promise<ExistingDomain | undefined> {
    const libvirt = this.#libvirt;
    const known = (await knownDomains(libvirt)).find((domain) => domain.name === name);
    if (known === undefined) return undefined;
    const blockers = (await replacingFindings(libvirt, known)).filter(
      ({ severity }) => severity === 'blocker',
    );
    if (!force || blockers.length > 0) {
      throw new AppError('conflict', blockers[0]?.message ?? `there is a machine "${name}" already`, {
        hint: blockers[0]?.remedy ?? 'choose another name, or allow it to be replaced',
      });
    }
    this.#replaced = await inspectExisting(libvirt, known);
    await libvirt.virsh(renaming(known, asideName(name, runId)));
    return this.#replaced;
  }

  /** A run that was killed in its commit may have left the machine that it was to replace under the other name. */
  async putBackInterrupted({ name, runId }: DeliveryRequest): Promise<void> {
    const known = await knownDomains(this.#libvirt);
    const aside = known.find((domain) => domain.name === asideName(name, runId));
    if (aside === undefined || known.some((domain) => domain.name === name)) return;
    await this.#libvirt.virsh(renaming(aside, name));
  }

  /** @throws AppError. */
  async define(domain: KnownDomain, xml: string): Promise<void> {
    this.#defined = domain;
    await virshWithInput(this.#libvirt, ['define', `--file=${fed}`], xml);
  }

  /** Resolves to what stays. Safe to be called twice; never throws. */
  async takeBack(): Promise<Leftover[]> {
    const left: Leftover[] = [];
    const [defined, replaced] = [this.#defined, this.#replaced];
    if (defined !== undefined) {
      const failed = await this.#unless(defined, (now) => now?.name !== defined.name, undefining(defined));
      if (failed === undefined) this.#defined = undefined;
      else
        left.push(
          this.#leftover(`the machine "${defined.name}" may be defined`, undefining(defined), failed),
        );
    }
    if (replaced !== undefined) {
      const back = renaming(replaced, replaced.name);
      const failed = await this.#unless(replaced, (now) => now?.name === replaced.name, back);
      if (failed === undefined) this.#replaced = undefined;
      else left.push(this.#leftover(`the machine "${replaced.name}" may have another name`, back, failed));
    }
    return left;
  }

  /** The definition alone; its firmware variables, too, unless they are `ours` by now. Resolves to what stays. */
  async forgetReplaced(ours: string | undefined): Promise<Leftover[]> {
    const replaced = this.#replaced;
    if (replaced === undefined) return [];
    const keep = replaced.nvram === undefined || replaced.nvram === ours;
    const args = undefining(replaced, keep ? '--keep-nvram' : '--nvram');
    const failed = await this.#unless(replaced, (now) => now === undefined, args);
    return failed === undefined
      ? []
      : [this.#leftover(`the machine "${replaced.name}" that was replaced is there`, args, failed)];
  }

  /** Nothing where the machine is as it should be already. */
  #unless(
    { uuid }: KnownDomain,
    isSo: (now: KnownDomain | undefined) => boolean,
    args: readonly string[],
  ): Promise<AppError | undefined> {
    const work = async () => {
      const now = (await knownDomains(this.#libvirt)).find((domain) => domain.uuid === uuid);
      if (!isSo(now)) await this.#libvirt.virsh(args);
    };
    return work().then(() => undefined, toAppError);
  }

  #leftover(what: string, args: readonly string[], { message }: AppError): Leftover {
    const { host, uri } = this.#libvirt;
    return { what: `${what} on ${host.name} still (${message})`, command: virshCommand(uri, args) };
  }
}

const asideName = (name: string, runId: string): string => `${name.slice(0, 100)}.vmferry-${runId}.replaced`;

const renaming = ({ uuid }: KnownDomain, to: string): string[] => [
  'domrename',
  `--domain=${uuid}`,
  `--new-name=${to}`,
];

const undefining = ({ uuid }: KnownDomain, nvram = '--keep-nvram'): string[] => [
  'undefine',
  `--domain=${uuid}`,
  nvram,
];
