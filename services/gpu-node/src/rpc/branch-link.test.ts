import { Server, ServerCredentials } from "@grpc/grpc-js";
import { handleBidi, type StreamContext, serverOptions } from "@retake/wire";
import {
  PeerServiceService,
  type PredictBranchRequest,
  type PredictBranchResponse,
} from "@retake/wire/peer";
import { plainTransport } from "@retake/wire/tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostTensor } from "../tasks/host-tensors.js";
import { BranchLink } from "./branch-link.js";
import { bytesOfValues, valuesOfBytes } from "./latent-bytes.js";

const shape = [1, 1, 2, 1, 1];
const pass = { latents: hostTensor(shape, new Float32Array([3, 5])), timestep: 7 };
const ready: PredictBranchResponse = { response: { $case: "ready", value: {} } };
const predicted = (timestep: number, values: readonly number[]): PredictBranchResponse => {
  const predictedNoise = bytesOfValues(new Float32Array(values));
  return { response: { $case: "prediction", value: { timestep, predictedNoise } } };
};

type Answer = (request: PredictBranchRequest, stream: StreamContext<PredictBranchResponse>) => void;

describe("BranchLink", () => {
  let server: Server;
  let address: string;
  let answer: Answer;
  let ended: Promise<void>;
  let onEnded: () => void;
  const lost: string[] = [];

  beforeEach(async () => {
    lost.length = 0;
    ended = new Promise((resolve) => {
      onEnded = resolve;
    });
    server = new Server(serverOptions);
    const serve = async (
      requests: AsyncIterable<PredictBranchRequest>,
      stream: StreamContext<PredictBranchResponse>,
    ): Promise<void> => {
      try {
        for await (const request of requests) answer(request, stream);
      } finally {
        onEnded();
      }
    };
    server.addService(PeerServiceService, {
      predictBranch: handleBidi(serve, { subject: "test" }),
    });
    const credentials = ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    address = `127.0.0.1:${port}`;
  });
  afterEach(() => server.forceShutdown());

  const open = (patienceMsMin?: number): BranchLink =>
    new BranchLink(
      { address, branchTaskId: "b", epoch: 1 },
      {
        ...{
          transport: plainTransport,
          jobKey: new Uint8Array(32),
          shape,
          signal: new AbortController().signal,
          nowMs: () => performance.now(),
        },
        ...{ patienceMsMin, onLost: (reason: string) => void lost.push(reason) },
      },
    );

  /** Answers the opening with ready, and passes by a function; tells when it is ready. */
  function answers(onPass: Answer): Promise<void> {
    return new Promise((resolve) => {
      answer = (request, stream) => {
        if (request.request?.$case === "pass") onPass(request, stream);
        else void stream.send(ready).then(resolve);
      };
    });
  }

  /** Asks until the link has heard that its peer is ready. */
  async function asked(link: BranchLink): Promise<Float32Array | undefined> {
    for (;;) {
      const wait = link.ask(pass);
      if (wait !== undefined) return wait();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it("gives the predictions of a peer that is ready, bit for bit", async () => {
    void answers(({ request }, { send }) => {
      if (request?.$case !== "pass") return;
      const { data } = valuesOfBytes(request.value.latents, shape);
      void send(predicted(request.value.timestep, [0.1 * Number(data[0]), Number(data[1])]));
    });
    const link = open();
    expect(link.ask(pass)).toBeUndefined();
    expect(await asked(link)).toEqual(new Float32Array([0.1 * 3, 5]));
    link.close();
    await ended;
    expect(link.ask(pass)).toBeUndefined();
    expect(lost).toEqual([]);
  });

  it("gives up a peer that is silent", async () => {
    void answers(() => {});
    const link = open(20);
    expect(await asked(link)).toBeUndefined();
    expect(link.ask(pass)).toBeUndefined();
    expect(lost[0]).toMatch(/helps no more: silent for \d+ ms/);
    await ended;
  });

  it("does not take a prediction of another pass, and gives up one of another size", async () => {
    void answers((_, { send }) => {
      void send(predicted(6, [1, 1])).then(() => send(predicted(7, [1, 1, 1])));
    });
    const link = open();
    expect(await asked(link)).toBeUndefined();
    expect(lost[0]).toContain("expected [1,1,2,1,1], 8 bytes");
    await ended;
  });

  it("gives up a peer that dies while it is asked", async () => {
    void answers(() => server.forceShutdown());
    const link = open();
    expect(await asked(link)).toBeUndefined();
    expect(lost).toHaveLength(1);
  });
});
