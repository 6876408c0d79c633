/** What a Windows runs at its first start, parsed by an independent grammar. */
import { describe, expect, it } from 'vitest';
import type { WindowsContext } from '../../../../src/guest/change/windows/context.ts';
import { addressTask } from '../../../../src/guest/change/windows/first-boot-network.ts';
import { driversTask, removalTask, runner } from '../../../../src/guest/change/windows/first-boot-scripts.ts';
import { misunderstood } from '../../../oracles/powershell-grammar.ts';

describe('the scripts of the first start', () => {
  it.each([
    ['the runner', runner],
    ['drivers', driversTask.script],
    ['removal', removalTask.script],
  ])('%s is PowerShell', async (_, script) => {
    expect(await misunderstood(script)).toEqual([]);
  });

  it('addresses, as they are put together', async () => {
    const nics = [{ mac: '52:54:00:00:00:01' }];
    const context = {
      system: {
        interfaces: [
          {
            ...{ name: "LAN'1", method: 'static', mac: '52:54:00:00:00:01' },
            ...{
              addresses: ['10.0.0.2/24', 'fd00::2/64'],
              gateway: '10.0.0.1',
              dns: ['10.0.0.1', 'fd00::1'],
            },
          },
        ],
      },
      nics,
      target: { nics },
    } as unknown as WindowsContext;
    const { task } = addressTask(context);
    expect(task).toBeDefined();
    expect(await misunderstood(task!.script)).toEqual([]);
  });
});
