import type { Writable } from "node:stream";
import { Code, RetakeError } from "@retake/errors";

/**
 * Writes one message, and waits until there is room for the next one: who awaits it holds at most
 * gRPC's own sixteen messages in memory.
 *
 * @param options.isOver  whether the other end still takes messages
 * @throws RetakeError  `stopped` if the call is over before there is room
 */
export function send<Message>(
  stream: Writable,
  message: Message,
  options: { readonly subject: string; readonly isOver: () => boolean },
): Promise<void> {
  const { subject, isOver } = options;
  const over = (): RetakeError =>
    new RetakeError(Code.Canceled, "stopped", `${subject}: the other end has ended the call`);
  if (isOver() || stream.writableEnded || stream.destroyed) return Promise.reject(over());
  if (stream.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      for (const event of wakingEvents) stream.off(event, settle);
      if (isOver() || stream.destroyed) reject(over());
      else resolve();
    };
    for (const event of wakingEvents) stream.on(event, settle);
  });
}

/** Room for more, or one of the ways in which gRPC's streams tell that nothing more is taken. */
const wakingEvents = ["drain", "status", "cancelled", "error", "close"];
