import { isTerminal } from "./edit-record.js";
import { endEdit } from "./endings.js";
import type { Turn } from "./turn.js";

/** Ends edits that did not begin, or finish, by the time that their client set. */
export function expireDeadlines(turn: Turn): void {
  for (const { record } of turn.state.edits.values()) {
    if (isTerminal(record) || record.state === "canceling") continue;
    const { startByMs, finishByMs } = record.spec;
    const isPast = (byMs: number): boolean => byMs !== 0 && turn.nowMs >= byMs;
    const what = record.startedMs === 0 && isPast(startByMs) ? "begin" : "finish";
    if (what === "finish" && !isPast(finishByMs)) continue;
    const message = `it did not ${what} by the time that was set`;
    const failure = { code: "DEADLINE_EXCEEDED", reason: "deadline", message };
    const state = what === "begin" ? "expired" : "failed";
    endEdit(turn, record.id, { state, failure, reason: `${state}: ${message}` });
  }
}
