import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it, one by one: Node's own `recursive` never ends under `/proc`.
 *
 * @returns  the outermost folder that was made, or nothing
 */
export async function makeFolders(path: string): Promise<string | undefined> {
  if (await isFolder(path)) return undefined;
  const above = dirname(path);
  const made = above === path ? undefined : await makeFolders(above);
  try {
    await mkdir(path);
  } catch (thrown) {
    // Someone else was faster.
    if (!(await isFolder(path))) throw thrown;
  }
  return made ?? path;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
