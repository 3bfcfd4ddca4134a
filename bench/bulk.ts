/**
 * `npm run bench:bulk`: what a node pulls from another process, as frames and snapshots come, by
 * gRPC with every check of the product, against a plain socket. And does memory stay flat?
 */
import { parseArgs } from "node:util";
import { LineChild } from "./line-child.js";
import { refuseBusyMachine } from "./machine.js";
import { publishReport, type Report, runBench } from "./report.js";

const usage = `npm run bench:bulk -- [options]
  --gigabytes N  to be pulled in all; default 10
  --force        measure on a busy machine
  --record       write the table to bench/RESULTS.md`;

const mebibyte = 2 ** 20;
/** Of one transfer: a vector on both sides. */
const transferBytes = 256 * mebibyte;
const shareOfSocketMin = 0.35;
const growthMax = 64 * mebibyte;
/** Before memory counts: buffers and pools are made. */
const warmTransfers = 2;

const program = new URL("./bulk-run.js", import.meta.url);

interface Taken {
  readonly seconds: number;
  readonly rss: number;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      gigabytes: { type: "string", default: "10" },
      force: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const count = Math.ceil((Number(values.gigabytes) * 1e9) / transferBytes);
  if (!(count > warmTransfers)) throw new Error("--gigabytes: expected a number above 0.6");
  await refuseBusyMachine(values);
  const size = ["--bytes", String(transferBytes)];
  const server = new LineChild(program, size);
  const { port, socketPort } = await server.answer();
  const client = new LineChild(program, [...size, "--from", `${port},${socketPort}`]);
  await client.answer();
  const take = async (how: "grpc" | "sockets"): Promise<Taken> => {
    const { seconds, rss } = await client.ask(how);
    return { seconds: Number(seconds), rss: Number(rss) };
  };
  const memoryOfServer = async (): Promise<number> => Number((await server.ask("memory")).rss);
  const [pulled, read]: [Taken[], Taken[]] = [[], []];
  const served: number[] = [];
  for (let transfer = 0; transfer < count; transfer += 1) {
    read.push(await take("sockets"));
    pulled.push(await take("grpc"));
    served.push(await memoryOfServer());
  }
  await client.end();
  await server.end();
  return publishReport(reportOf({ pulled, read, served }), values);
}

interface Measured {
  readonly pulled: readonly Taken[];
  readonly read: readonly Taken[];
  readonly served: readonly number[];
}

function reportOf({ pulled, read, served }: Measured): Report {
  const rateOf = (taken: readonly Taken[]): number =>
    transferBytes / Math.min(...taken.map(({ seconds }) => seconds));
  const [grpc, socket] = [rateOf(pulled), rateOf(read)];
  const growths = [pulled.map(({ rss }) => rss), served].map(
    (all) => Math.max(...all.slice(warmTransfers)) - (all[warmTransfers - 1] ?? 0),
  );
  const growth = Math.max(...growths);
  const megabytes = (rate: number): string => `${Math.round(rate / 1e6)} MB/s`;
  return {
    title: "bench:bulk",
    columns: ["what", "measured", "bound"],
    rows: [
      { cells: ["plain socket, into a vector", megabytes(socket), ""] },
      { cells: ["gRPC stream, CRC and SHA-256 checked, into a vector", megabytes(grpc), ""] },
      {
        cells: ["of the socket's rate", (grpc / socket).toFixed(2), `>= ${shareOfSocketMin}`],
        isMet: grpc / socket >= shareOfSocketMin,
      },
      {
        cells: [
          `growth of either process over ${((pulled.length * transferBytes) / 1e9).toFixed(1)} GB`,
          `${Math.round(growth / mebibyte)} MiB`,
          `<= ${growthMax / mebibyte} MiB`,
        ],
        isMet: growth <= growthMax,
      },
    ],
    notes: [
      `${pulled.length} transfers of ${transferBytes / mebibyte} MiB each way, in turns, between ` +
        "two processes on this machine; rates are those of the fastest transfer.",
      `Memory: resident size after each transfer, less that after ${warmTransfers}.`,
    ],
  };
}

await runBench(main, usage);
