/** The same suite as for a plugin in this process: what goes over the protocol keeps the contract. */
import { localConformance } from '../env-plugins/local-fixtures.ts';
import { overStreams } from './over-streams.ts';

localConformance('this computer, behind the protocol', overStreams);
