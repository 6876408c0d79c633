/** The options by which a conversion shows that all of it has arrived. */
import { type Command, Option } from 'commander';
import type { DigestAlgorithm } from '../io/digest-hash.ts';
import type { Proof } from '../model/plan.ts';

export interface VerifyOptions {
  readonly verify?: boolean;
  readonly sums?: boolean;
  readonly digest?: DigestAlgorithm;
}

export function withVerify(command: Command): Command {
  return command
    .option(
      '--verify',
      'read back what was delivered and compare it with what was read; what differs is named and stays (exit code 1)',
    )
    .option('--sums', 'SHA256SUMS beside the files, for "sha256sum -c"; of a folder also with --verify')
    .addOption(
      new Option('--digest <kind>', "how the disks' blocks are hashed meanwhile").choices([
        'xxh3-128',
        'sha256',
      ]),
    );
}

/** The part of the draft that is about it. */
export function proofOf({ verify, sums, digest }: VerifyOptions): { proof?: Proof } {
  if (verify !== true && sums !== true && digest === undefined) return {};
  return {
    proof: {
      ...(verify === true ? { verify: true } : {}),
      ...(sums === true ? { sums: true } : {}),
      ...(digest === undefined ? {} : { digest }),
    },
  };
}
