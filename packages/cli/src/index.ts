export type { Environment } from "./environment.js";
export { ExitCode } from "./errors/exit-code.js";
export { runCli } from "./run-cli.js";
