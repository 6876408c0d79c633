/** The TUI over a dispatcher of its own. */
import { compose } from './compose.ts';
import { exitCode } from './headless/exit-codes.ts';
import { describeFailure, toFailure } from './model/errors.ts';
import { openTui } from './screens/open-tui.tsx';
import { isActive } from './state/state.ts';

/** Resolves to the exit code, once the terminal is as it was. */
export async function runTui(): Promise<number> {
  const said: string[] = [];
  try {
    const { dispatcher, outside } = await compose({ canAsk: true, say: (text) => said.push(text) });
    void dispatcher.dispatch({ type: 'load' });
    const contained = (error: unknown) => outside.strays.ownerOf(error) !== undefined;
    await openTui(dispatcher, { stdin: process.stdin, stdout: process.stdout, contained });
    await dispatcher.perform({ type: 'terminate' });
    const { run } = dispatcher.getState();
    if (isActive(run) && run?.away !== undefined)
      process.stderr.write(`vmferry: the conversion goes on; to see it: vmferry attach ${run.away}\n`);
    for (const text of said) process.stderr.write(`vmferry: ${text}\n`);
    // A signal that ended the program has left its code here.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    process.stderr.write(`vmferry: ${describeFailure(toFailure(error))}\n`);
    return exitCode(toFailure(error));
  }
}
