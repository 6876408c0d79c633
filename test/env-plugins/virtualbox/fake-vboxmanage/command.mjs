// The command line of `machines.mjs`.
import { manage } from './machines.mjs';

const { code, stdout, stderr } = manage(process.env.FAKE_VBOX, process.argv.slice(2));
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = code;
