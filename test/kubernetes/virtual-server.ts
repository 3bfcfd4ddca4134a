import { createKubeClient } from "@retake/coordinator/kubernetes";
import { ApiState } from "./api-state.js";
import type { Journey } from "./journeys.js";
import { createLocalTransport } from "./local-transport.js";
import { Machine, VirtualTime } from "./virtual-time.js";

/** An API server in this process, on virtual time, and a client of it a millisecond away. */
export function createVirtualServer() {
  const time = new VirtualTime();
  const machine = new Machine(time);
  const state = new ApiState({ nowMs: () => time.nowMs });
  const faults = { mode: "well" as Journey["mode"] };
  const journey = (): Journey => ({ mode: faults.mode, thereMs: 1, backMs: 1 });
  const transport = createLocalTransport({ state, time, machine, journey });
  return { time, state, faults, client: createKubeClient({ transport, clock: machine.clock }) };
}
