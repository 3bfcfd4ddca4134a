/**
 * Runs a command of this repository: `--help` prints what it takes; an option that it does not
 * know, or whatever else is thrown, ends it with a sentence and the same text.
 *
 * @param main  gives the exit code
 */
export async function runCommand(
  { name, usage }: { readonly name: string; readonly usage: string },
  main: () => Promise<number>,
): Promise<void> {
  if (process.argv.slice(2).some((arg) => arg === "--help" || arg === "-h")) {
    console.log(usage);
    return;
  }
  try {
    process.exitCode = await main();
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    console.error(`${name}: ${message}\n\n${usage}`);
    process.exitCode = 2;
  }
}
