import type { Environment } from "../environment.js";

/** An environment whose clock only moves when told, and what was written to it. */
export interface FakeEnvironment extends Environment {
  readonly said: { out: string; err: string };
  readonly passMs: (milliseconds: number) => void;
}

export function fakeEnvironment(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly columns?: number;
    readonly signal?: AbortSignal;
  } = {},
): FakeEnvironment {
  const said = { out: "", err: "" };
  let nowMs = 1_000_000;
  return {
    env: options.env ?? {},
    nowMs: () => nowMs,
    signal: options.signal ?? new AbortController().signal,
    writeOut: (text) => {
      said.out += text;
    },
    writeErr: (text) => {
      said.err += text;
    },
    columns: options.columns,
    said,
    passMs: (milliseconds) => {
      nowMs += milliseconds;
    },
  };
}
