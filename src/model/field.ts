/** One field of an environment's settings: the form as data. Screens draw it, the command line asks it. */
export interface Field {
  readonly key: string;
  readonly label: string;
  readonly help: string;
  readonly kind: 'text' | 'secret' | 'number' | 'folder' | 'folders' | 'boolean' | 'choice';
  readonly required: boolean;
  readonly default?: string;
  readonly choices?: readonly string[];
}
