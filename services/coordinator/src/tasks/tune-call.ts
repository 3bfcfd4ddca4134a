import {
  type BidiCall,
  type CallSettings,
  errorOfFailure,
  failureOf,
  openBidi,
} from "@retake/wire";
import { badMessage, present, wholeNumber } from "@retake/wire/decoders";
import type {
  NodeServiceClient,
  Quorum as QuorumMessage,
  StateSource as StateMessage,
  StepFailed,
  StepReduced,
  TuneRequest,
  TuneResponse,
} from "@retake/wire/node";
import type { Quorum, StateSource } from "../job/commit-record.js";
import type { EffectOf } from "../job/effects.js";
import { ArtifactSink } from "./artifact-sink.js";
import { onReport } from "./follow-task.js";
import type { TaskPort } from "./task-port.js";
import { type Assigned, tuneStart } from "./task-requests.js";

type Request = NonNullable<TuneRequest["request"]>;
type Response = NonNullable<TuneResponse["event"]>;

/** What a member of a tuning is told. */
export type MemberEffect =
  | EffectOf<"send-quorum">
  | EffectOf<"send-commit">
  | EffectOf<"take-snapshot">
  | EffectOf<"finish-tuning">;

const countMax = Number.MAX_SAFE_INTEGER;

/** The stream of one member of a tuning. */
export class TuneCall {
  readonly #call: BidiCall<TuneRequest, TuneResponse>;
  readonly #port: TaskPort;
  readonly #subject: string;
  #snapshot: ArtifactSink | undefined;
  #delta: ArtifactSink | undefined;
  #deltaId = "";
  /** Of the member's state, as it said last: what its next snapshot is of. */
  #committedSteps = 0;

  constructor(
    client: NodeServiceClient,
    assigned: Assigned,
    { port, settings }: { readonly port: TaskPort; readonly settings: CallSettings },
  ) {
    this.#call = openBidi(client.tune.bind(client), settings);
    this.#port = port;
    this.#subject = settings.subject;
    this.#send({ $case: "start", value: tuneStart(assigned) });
  }

  tell(effect: MemberEffect): void {
    switch (effect.kind) {
      case "send-quorum":
        this.#send({ $case: "quorum", value: quorumMessage(effect.quorum) });
        return;
      case "send-commit":
        this.#send({ $case: "commit", value: effect });
        return;
      case "take-snapshot":
        this.#send({ $case: "snapshot", value: {} });
        return;
      case "finish-tuning":
        this.#send({ $case: "finish", value: {} });
        return;
    }
  }

  /** Tells what the member says, up to the end of its task. */
  async follow(): Promise<void> {
    try {
      for await (const { event } of this.#call.responses) {
        if (event !== undefined) await this.#onEvent(event);
      }
    } finally {
      this.#snapshot?.drop();
      this.#delta?.drop();
    }
    const result = { artifactId: this.#deltaId, files: [] };
    await this.#port.tell({ kind: "task-finished", result });
  }

  /** A few small messages a step; what cannot be sent is told by the end of the stream. */
  #send(request: Request): void {
    this.#call.send({ request }).catch(() => undefined);
  }

  async #onEvent(event: Response): Promise<void> {
    switch (event.$case) {
      case "report":
        return onReport(event.value, this.#port);
      case "ready": {
        const { quorumId, committedSteps, weightsHash } = event.value;
        this.#committedSteps = count(committedSteps, "committed steps");
        return this.#port.tell({ kind: "member-ready", quorumId, committedSteps, weightsHash });
      }
      case "reduced":
        return this.#port.tell(reducedNews(event.value));
      case "applied": {
        const { quorumId, step, weightsHash } = event.value;
        this.#committedSteps = count(step, "step") + 1;
        return this.#port.tell({ kind: "step-applied", quorumId, step, weightsHash });
      }
      case "failed":
        return this.#port.tell(failedNews(event.value, this.#subject));
      case "snapshot": {
        this.#snapshot ??= new ArtifactSink(this.#port.artifacts, `snapshot: ${this.#subject}`);
        const artifact = await this.#snapshot.take(event.value);
        if (artifact === undefined) return;
        this.#snapshot = undefined;
        const committedSteps = this.#committedSteps;
        const stored = {
          kind: "snapshot-stored",
          committedSteps,
          artifactId: artifact.id,
        } as const;
        return this.#port.tell(stored);
      }
      case "delta": {
        this.#delta ??= new ArtifactSink(this.#port.artifacts, `delta: ${this.#subject}`);
        this.#deltaId = (await this.#delta.take(event.value))?.id ?? "";
        return;
      }
    }
  }
}

function reducedNews(value: StepReduced) {
  const { quorumId, step, finite, lossSum, gradientHash, gradientNorm } = value;
  const drawCount = count(value.drawCount, "draws");
  if (finite && !Number.isFinite(lossSum)) {
    throw badMessage("step", { expected: "a finite loss", got: lossSum });
  }
  const reduced = { lossSum, drawCount, isFinite: finite, gradientHash, gradientNorm };
  return { kind: "step-reduced", quorumId, step, reduced } as const;
}

function failedNews({ quorumId, step, suspectNodeId, failure }: StepFailed, subject: string) {
  const told = failureOf(errorOfFailure(present(failure, `${subject}: failure`)));
  return { kind: "step-failed", quorumId, step, suspectNodeId, failure: told } as const;
}

function count(value: number, subject: string): number {
  return wholeNumber(value, { subject, min: 0, max: countMax });
}

function quorumMessage({ members, ...quorum }: Quorum): QuorumMessage {
  return {
    ...quorum,
    members: members.map(({ nodeId, address, state }) => ({
      ...{ nodeId, address, state: { source: sourceMessage(state) } },
    })),
  };
}

function sourceMessage(state: StateSource): NonNullable<StateMessage["source"]> {
  switch (state.kind) {
    case "start":
      return { $case: "start", value: true };
    case "own":
      return { $case: "own", value: true };
    case "snapshot":
      return { $case: "snapshotId", value: state.artifactId };
    case "peer":
      return { $case: "peerNodeId", value: state.nodeId };
  }
}
