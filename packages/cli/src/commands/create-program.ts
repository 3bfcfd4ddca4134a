import { Command } from "commander";
import type { Environment } from "../environment.js";
import { exitCodeMeanings } from "../errors/exit-code.js";
import { addBatchCommand } from "./batch-command.js";
import { addCacheCommand } from "./cache-command.js";
import { addClusterCommands } from "./cluster-commands.js";
import { addDemoCommand } from "./demo-command.js";
import { addDoctorCommand } from "./doctor-command.js";
import { addEditCommands } from "./edit-commands.js";
import { addNodeCommands } from "./node-commands.js";
import { addSubmitCommand } from "./submit-command.js";
import { addUpCommand } from "./up-command.js";

const settingsHelp = `
Settings come from the command line, else from the checkpoint's card (retake.json in its
folder, whose defaults suit that model), else from the paper; --help shows the paper's.`;

const variablesHelp = `
Variables: RETAKE_CACHE (folder for what can be computed again), HF_TOKEN (for gated models),
RETAKE_COORDINATOR and RETAKE_TOKEN (whom to call, and as whom), NATS_SERVER_PATH,
FFMPEG_PATH, FFPROBE_PATH, RETAKE_DEBUG=1 (shows where an error comes from).`;

/** The command line: what can be asked, and who answers. */
export function createProgram(environment: Environment): Command {
  const program = new Command("retake")
    .description("Edit a video with a sentence.")
    .exitOverride()
    .configureOutput({
      writeOut: environment.writeOut,
      writeErr: () => {},
      outputError: () => {},
    })
    .showHelpAfterError(false)
    .helpCommand(false);
  program.addHelpText("after", `${settingsHelp}\n${variablesHelp}\n\nExit codes:\n${exitCodes()}`);
  addEditCommands(program, environment);
  addDemoCommand(program, environment);
  addUpCommand(program, environment);
  addSubmitCommand(program, environment);
  addBatchCommand(program, environment);
  addClusterCommands(program, environment);
  addNodeCommands(program, environment);
  addCacheCommand(program, environment);
  addDoctorCommand(program, environment);
  return program;
}

function exitCodes(): string {
  return exitCodeMeanings
    .map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`)
    .join("\n");
}
