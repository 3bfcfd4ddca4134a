import { Code, RetakeError } from "@retake/errors";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import type { RawOptions } from "./option-groups.js";

/** Adds `doctor`. */
export function addDoctorCommand(program: Command, environment: Environment): void {
  program
    .command("doctor")
    .description("say which engines and programs are there, why not, and how to get the rest")
    .option("--json", "as JSON on stdout")
    .action(async (options: RawOptions) => {
      const { examine, examinationText } = await import("../doctor/examine.js");
      const found = await examine(environment);
      const page = options.json === true ? JSON.stringify(found) : examinationText(found);
      environment.writeOut(`${page}\n`);
      if (found.ready) return;
      const message = "this machine: expected onnx-cpu, ffmpeg with h264 and a cache folder";
      const text = `${message}, got less; retake doctor lists it`;
      throw new RetakeError(Code.FailedPrecondition, "engine-unavailable", text);
    });
}
