import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { Code, RetakeError } from "@retake/errors";

/**
 * Below those that systems give to whoever asks for any, outgoing connections too: nobody is given
 * one of these between the look and its use.
 */
const quietPorts = { min: 20_000, max: 32_000 };
const triesPerPortMax = 200;
const loopback = "127.0.0.1";

/**
 * Ports of loopback that nobody uses now.
 *
 * @param range  the first port, and the one after the last, to choose from
 * @throws RetakeError  `nats-server-failed` if so many cannot be found
 */
export async function freePorts(count: number, range = quietPorts): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries >= count * triesPerPortMax) {
      const got = `${ports.size} after ${tries} tries from ${range.min} to ${range.max - 1}`;
      const message = `ports: expected ${count} that are free, got ${got}; end what uses them`;
      throw new RetakeError(Code.Unavailable, "nats-server-failed", message);
    }
    const port = randomInt(range.min, range.max);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, loopback, () => server.close(() => resolve(true)));
  });
}
