/** The scripts that are sent to a host, parsed by an independent grammar. */
import { describe, expect, it } from 'vitest';
import * as checkpoints from '../../../src/env-plugins/hyperv/scripts/checkpoints.ts';
import * as host from '../../../src/env-plugins/hyperv/scripts/host.ts';
import * as list from '../../../src/env-plugins/hyperv/scripts/list.ts';
import * as make from '../../../src/env-plugins/hyperv/scripts/make.ts';
import { prelude } from '../../../src/env-plugins/hyperv/scripts/prelude.ts';
import { misunderstood } from '../../oracles/powershell-grammar.ts';

const scripts = Object.entries({ ...checkpoints, ...host, ...list, ...make, prelude });

describe('the scripts for a Hyper-V host', () => {
  it.each(scripts)('%s is PowerShell', async (_, script) => {
    expect(await misunderstood(script)).toEqual([]);
  });

  it('what is none is seen', async () => {
    for (const [, script] of scripts) {
      // The last bracket is never one of a comment or a text.
      const at = script.lastIndexOf('}');
      expect(await misunderstood(script.slice(0, at) + script.slice(at + 1))).not.toEqual([]);
    }
    expect(await misunderstood("Get-VM | Where-Object { $_.Name -eq 'a }")).not.toEqual([]);
  });
});
