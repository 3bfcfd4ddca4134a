import type { LeaderRecords } from "@retake/coordinator/kubernetes";
import { leasePath, type Plant, type PlantedPlace } from "./world.js";

type Write = Awaited<ReturnType<LeaderRecords["update"]>>;

/** Bugs that the schedules must find. */
export const plants: readonly Plant[] = [
  {
    name: "takes a conflict for success",
    lease: (lease): LeaderRecords => {
      const orTaken = async (id: string, write: Write): Promise<Write> => {
        const found = write.outcome === "conflict" ? await lease.get(id) : undefined;
        return found === undefined ? write : { outcome: "written", revision: found.revision };
      };
      return {
        get: lease.get,
        create: async (id, value) => orTaken(id, await lease.create(id, value)),
        update: async (id, value, options) => orTaken(id, await lease.update(id, value, options)),
      };
    },
  },
  {
    name: "judges the lease by the other machine's clock",
    lease: (lease, { world, machine }: PlantedPlace): LeaderRecords => ({
      ...lease,
      get: async (id) => {
        const found = await lease.get(id);
        const spec = Object(world.state.object(leasePath)?.spec);
        const renewedMs = Date.parse(String(spec.renewTime));
        const isOver = machine.nowUnixMs() > renewedMs + 1000 * Number(spec.leaseDurationSeconds);
        if (found === undefined || !isOver) return found;
        return { ...found, value: { ...found.value, holder: "" } };
      },
    }),
  },
  { name: "lets writes into the store whatever their epoch", isUnfenced: true },
  { name: "believes its watch", relistEveryMs: 3_600_000 },
];
