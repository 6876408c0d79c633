/** What a command tells while it runs. */
import { describe, expect, it } from 'vitest';
import type { Composed } from '../../src/compose.ts';
import { followRun } from '../../src/headless/follow-run.ts';
import type { Output } from '../../src/headless/output.ts';
import type { Finding } from '../../src/model/finding.ts';
import { between } from '../state/between.ts';
import { type Memory, memory, memoryMachine } from '../state/memory-plugin.ts';

function outputOf() {
  const told: string[] = [];
  const output: Output = {
    ...{ json: false, quiet: false },
    line: (text) => told.push(`line ${text}`),
    value: () => undefined,
    remark: (text) => told.push(text),
    error: ({ message }) => told.push(`error ${message}`),
    progress: () => undefined,
    progressDone: () => undefined,
  };
  return { told, output };
}

async function converted(change: Partial<Memory>, known: readonly Finding[] = []) {
  const from = { ...memory([memoryMachine({ state: 'running' })]), ...change };
  const { dispatcher, choose, deliver, state, log } = await between(from, memory());
  await choose();
  await deliver();
  const { told, output } = outputOf();
  const code = await followRun({ dispatcher } as Composed, state().planned.plans, output, known);
  return { told, code, log: log() };
}

describe('what holding a machine has found', () => {
  it.each(['note', 'warning'] as const)('is told and in the log: a %s', async (holdSeverity) => {
    const { told, code, log } = await converted({ holdSeverity });
    expect(code).toBe(0);
    expect(told.filter((text) => text.includes('not quiesced'))).toEqual([`${holdSeverity}: not quiesced`]);
    expect(log).toContain(holdSeverity === 'note' ? 'info: note: not quiesced' : 'warning: not quiesced');
  });

  it('is not told twice', async () => {
    const known: Finding = { rule: 'x', severity: 'note', message: 'not quiesced' };
    const { told } = await converted({ holdSeverity: 'note' }, [known]);
    expect(told.join()).not.toContain('not quiesced');
  });
});
