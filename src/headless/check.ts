/** `check`: whether the files of an image, of all below it and of its package are sound. */
import { type CheckReport, type DiskCheck, isSound, type MachineCheck } from '../model/check-report.ts';
import { AppError, describeFailure } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { CommonOptions } from './common-options.ts';
import { findingLine, terminalOutput } from './output.ts';
import { connectTo, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

/** Resolves to 0 when it is sound (leaks do no harm), 1 when there are errors. */
export async function check(
  image: string,
  options: CommonOptions & Trust & { readonly deep?: boolean },
): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    const id = await connectTo(composed, image, options);
    let result: MachineCheck | undefined;
    dispatcher.watch((event) => {
      if (event.type === 'machine-checked') result = event.result;
    });
    tellSteps(composed, output);
    try {
      await dispatcher.perform({ type: 'check-machine', id, deep: options.deep === true });
    } finally {
      output.progressDone();
    }
    if (result === undefined) throw new AppError('bug', 'a check has ended without a result');
    const sound = isSound(result);
    if (output.json) output.value({ image: id, sound, ...result });
    else for (const line of describeCheck(result)) output.line(line);
    return sound ? 0 : 1;
  });
}

export function describeCheck(result: MachineCheck): string[] {
  const { manifest } = result;
  const disks = result.disks.flatMap((disk) => diskLines(disk, result.disks.length > 1));
  if (disks.length === 0) disks.push('it has no disk');
  if (manifest === undefined) return disks;
  const { failure } = manifest;
  return [
    ...disks,
    failure === undefined
      ? 'package: nothing speaks against its checksums'
      : `error: ${describeFailure(failure)}`,
  ];
}

function diskLines({ name, layers, failure }: DiskCheck, several: boolean): string[] {
  return [
    ...(several ? [`disk ${name}`] : []),
    ...layers.flatMap(layerLines),
    ...(failure === undefined ? [] : [`error: ${describeFailure(failure)}`]),
  ];
}

function layerLines({ format, files, errors, errorCount, leaks, warnings, facts }: CheckReport): string[] {
  const verdict = errorCount === 0 ? 'no errors' : errorCount === 1 ? '1 error' : `${errorCount} errors`;
  const more = errorCount - errors.length;
  return [
    `${files[0] ?? format}: ${format}, ${verdict}`,
    ...files.slice(1).map((file) => `  with ${file}`),
    ...factLines(facts),
    ...errors.map((finding) => `  error: ${findingLine(finding).replace(/^blocker: /, '')}`),
    ...(more > 0 ? [`  … and ${more} more`] : []),
    ...(leaks === undefined || leaks.count === 0
      ? []
      : [
          `  remark: ${leaks.count} ${leaks.count === 1 ? 'cluster' : 'clusters'} (${formatBytes(leaks.bytes)}) leaked: in no use, which does no harm`,
        ]),
    ...warnings.map((finding) => `  ${findingLine(finding)}`),
  ];
}

function factLines(facts: CheckReport['facts']): string[] {
  const total = facts['total-clusters'] ?? 0;
  if (total === 0) return [];
  const { 'allocated-clusters': allocated = 0, 'fragmented-clusters': fragmented = 0 } = facts;
  const compressed = facts['compressed-clusters'] ?? 0;
  const share = (part: number, whole: number) => `${((part / whole) * 100).toFixed(1)} %`;
  return [
    `  ${allocated} of ${total} clusters in use (${share(allocated, total)})` +
      (allocated === 0 ? '' : `, ${share(fragmented, allocated)} fragmented`) +
      (compressed === 0 ? '' : `, ${share(compressed, allocated)} compressed`),
  ];
}
