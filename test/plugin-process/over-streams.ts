/** A plugin behind the protocol without a process: both ends in this one, with pipes between them. */
import { PassThrough } from 'node:stream';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { Channel } from '../../src/plugin-process/channel.ts';
import { answerTo, greet, openSession } from '../../src/plugin-process/host.ts';
import { serve } from '../../src/plugin-process/serve.ts';

export function overStreams(plugin: EnvironmentPlugin): EnvironmentPlugin {
  return {
    ...plugin,
    async connect(settings, context) {
      const [there, back] = [new PassThrough(), new PassThrough()];
      const served = serve(plugin, there, back);
      const channel = new Channel({
        input: back,
        output: there,
        side: 'host',
        other: 'the plugin',
        handler: answerTo(context),
      });
      await greet(channel, 'the plugin');
      return openSession(channel, settings, {
        who: 'the plugin',
        signal: context.signal,
        async close() {
          there.end();
          await served;
        },
      });
    },
  };
}
