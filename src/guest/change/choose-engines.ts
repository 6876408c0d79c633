/** Which engine writes to which volume: the built-in one where it can, libguestfs else. */
import type { Finding } from '../../model/finding.ts';
import type { Engine, EngineContext, EngineVolume, EngineWork } from './engine.ts';

export interface ChosenEngines {
  readonly uses: readonly { readonly engine: Engine; readonly volumes: readonly EngineVolume[] }[];
  /** A blocker where no engine can write something. */
  readonly findings: readonly Finding[];
}

/** `engines` in the order of preference; `wanted`: the only one to be used. */
export async function chooseEngines(
  volumes: readonly EngineVolume[],
  engines: readonly Engine[],
  wanted: Engine['id'] | undefined,
  signal: AbortSignal,
): Promise<ChosenEngines> {
  const offered = engines.filter(({ id }) => wanted === undefined || id === wanted);
  const missing = new Map<Engine, string>();
  const uses = new Map<Engine, EngineVolume[]>();
  const findings: Finding[] = [];
  for (const volume of volumes) {
    const reasons: string[] = [];
    let chosen: Engine | undefined;
    for (const engine of offered) {
      const refused = await engine.refuses(volume, volume.edits, signal);
      if (refused === undefined && !missing.has(engine)) {
        const why = await engine.missing(signal);
        if (why !== undefined) missing.set(engine, why);
      }
      const reason = refused ?? missing.get(engine);
      if (reason === undefined) {
        chosen = engine;
        break;
      }
      reasons.push(`${engine.id}: ${reason}`);
    }
    if (chosen === undefined) findings.push(nobody(volume, reasons, wanted));
    else uses.set(chosen, [...(uses.get(chosen) ?? []), volume]);
  }
  for (const [engine, own] of uses) findings.push(told(engine, own));
  return { uses: [...uses].map(([engine, own]) => ({ engine, volumes: own })), findings };
}

/** @throws AppError; the overlays are to be thrown away then. */
export async function applyAll(
  { uses }: ChosenEngines,
  work: Omit<EngineWork, 'volumes'>,
  context: EngineContext,
): Promise<void> {
  for (const { engine, volumes } of uses) await engine.apply({ ...work, volumes }, context);
  await Promise.all(work.disks.map((disk) => disk.flush()));
}

const nobody = (
  { name, kind }: EngineVolume,
  reasons: readonly string[],
  wanted: Engine['id'] | undefined,
): Finding => ({
  rule: 'guest.no-engine',
  severity: 'blocker',
  message: `nothing here can write to ${name} (${kind}): ${reasons.join('; ')}`,
  evidence: name,
  remedy: `${wanted === undefined ? 'install libguestfs-tools on this computer' : 'let the engine be chosen (without --engine)'}, or leave the changes out (--changes none)`,
});

const told = ({ id }: Engine, volumes: readonly EngineVolume[]): Finding => ({
  rule: 'guest.engine',
  severity: 'note',
  message: `${volumes.map(({ name, kind }) => `${name} (${kind})`).join(', ')} ${volumes.length === 1 ? 'is' : 'are'} changed by ${id === 'builtin' ? 'the built-in engine' : 'libguestfs'}`,
});
