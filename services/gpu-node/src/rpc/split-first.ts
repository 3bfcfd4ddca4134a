/** The message that begins a call, and those that follow it; undefined where none came. */
export async function splitFirst<Message>(messages: AsyncIterable<Message>): Promise<{
  readonly first: Message | undefined;
  readonly rest: AsyncIterable<Message>;
}> {
  const iterator = messages[Symbol.asyncIterator]();
  const { done, value } = await iterator.next();
  const rest = { [Symbol.asyncIterator]: () => iterator };
  return { first: done === true ? undefined : value, rest };
}
