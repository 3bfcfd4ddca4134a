/** Does something for each item, some at a time; results in the items' order. */
export async function inBatches<Item, Result>(
  items: readonly Item[],
  inFlightMax: number,
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let begin = 0; begin < items.length; begin += inFlightMax) {
    results.push(...(await Promise.all(items.slice(begin, begin + inFlightMax).map(act))));
  }
  return results;
}
