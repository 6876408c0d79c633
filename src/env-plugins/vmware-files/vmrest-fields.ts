/** How vmrest is reached, which comes with Workstation Pro and Fusion Pro. */
import type { Field } from '../../model/field.ts';

export const vmrestFields: readonly Field[] = [
  {
    key: 'vmrest',
    label: 'vmrest',
    help: 'where vmrest listens on that host, mostly http://127.0.0.1:8697; empty: without it',
    kind: 'text',
    required: false,
  },
  {
    key: 'vmrestUser',
    label: 'User of vmrest',
    help: 'as set there by vmrest -C',
    kind: 'text',
    required: false,
  },
  {
    key: 'vmrestPassword',
    label: 'Password of vmrest',
    help: 'as set there by vmrest -C',
    kind: 'secret',
    required: false,
  },
];
