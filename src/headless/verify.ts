/** `verify --against`: whether an image holds what an earlier run read. */
import { AppError, describeFailure } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { DiskVerification } from '../model/verification.ts';
import type { CommonOptions } from './common-options.ts';
import { terminalOutput } from './output.ts';
import { connectTo, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

export interface VerifyAgainst extends CommonOptions, Trust {
  readonly against: string;
  readonly disk?: string;
}

/** Resolves to 0 when all is the same, 1 when something differs or can't be read. */
export async function verify(image: string, options: VerifyAgainst): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    const id = await connectTo(composed, image, options);
    let result: readonly DiskVerification[] | undefined;
    dispatcher.watch((event) => {
      if (event.type === 'machine-verified') result = event.result;
    });
    tellSteps(composed, output);
    const { against: run, disk } = options;
    try {
      await dispatcher.perform({
        type: 'verify-machine',
        id,
        run,
        ...(disk === undefined ? {} : { disk }),
      });
    } finally {
      output.progressDone();
    }
    if (result === undefined) throw new AppError('bug', 'a comparison has ended without a result');
    const same = result.every(({ failure }) => failure === undefined);
    if (output.json) output.value({ image: id, run, same, disks: result });
    else for (const one of result) output.line(lineOf(one));
    return same ? 0 : 1;
  });
}

function lineOf({ name, against, algorithm, size, failure }: DiskVerification): string {
  if (failure !== undefined) return `${name}: NOT the same as ${against}: ${describeFailure(failure)}`;
  return `${name}: the same as ${against} (${formatBytes(size)}, ${algorithm})`;
}
