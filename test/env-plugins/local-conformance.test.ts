import { localConformance } from './local-fixtures.ts';

localConformance('this computer');
