/** What a command may know of the process that it runs in; made by `main.ts`, the only reader. */
export interface Environment {
  /** The process's variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: () => number;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Results, and nothing else. */
  readonly writeOut: (text: string) => void;
  /** Progress, warnings and errors. */
  readonly writeErr: (text: string) => void;
  /** Columns of the terminal that progress goes to; undefined where it is none. */
  readonly columns: number | undefined;
}
