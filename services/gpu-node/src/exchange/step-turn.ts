/** Which gradient is exchanged: a try of a step in a quorum. Later turns are greater. */
export interface StepTurn {
  readonly quorumId: number;
  readonly step: number;
  /** Draw attempts so far: grows where a step is tried again with other draws. */
  readonly attempts: number;
}

/** Below 0 if `a` comes before `b`, 0 if they are the same, above 0 if it comes after. */
export function compareTurns(a: StepTurn, b: StepTurn): number {
  if (a.quorumId !== b.quorumId) return a.quorumId - b.quorumId;
  return a.step !== b.step ? a.step - b.step : a.attempts - b.attempts;
}

/** For logs and errors. */
export function turnText({ quorumId, step, attempts }: StepTurn): string {
  return `quorum ${quorumId}, step ${step}, try ${attempts}`;
}
