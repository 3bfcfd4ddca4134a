import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** The repository's folder: tests run from their sources, benches and chaos from `dist`. */
export const repository = root.endsWith("/dist/")
  ? fileURLToPath(new URL("../", `file://${root}`))
  : root;
