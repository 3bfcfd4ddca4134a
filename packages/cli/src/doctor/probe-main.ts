import { engineNames, probeEngine } from "@retake/gpu-node";

// A process of its own: a broken driver ends it, and not the doctor.
const wanted = engineNames.find((name) => name === process.argv[2]);
if (wanted === undefined) throw new Error(`expected one of ${engineNames.join(", ")}`);
process.stdout.write(`${JSON.stringify(await probeEngine(wanted))}\n`);
process.exit(0);
