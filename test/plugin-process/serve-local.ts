/** The plugin of this computer, served over standard input and output: bundled and started by tests. */
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { serve } from '../../src/plugin-process/serve.ts';

await serve(localPlugin({ imageExtensions: ['raw', 'qcow2'] }), process.stdin, process.stdout);
process.exit(0);
