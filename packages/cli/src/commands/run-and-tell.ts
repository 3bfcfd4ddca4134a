import type { Environment } from "../environment.js";
import type { Job, JobResult } from "../pipeline/job.js";
import { runJob } from "../pipeline/run-job.js";
import { durationText } from "../progress/duration-text.js";
import { Reporter } from "../progress/reporter.js";

/** Runs a job; its result goes to stdout, as a page or as JSON. */
export async function runAndTell(
  job: Job,
  environment: Environment,
  how: { readonly json: boolean; readonly quiet: boolean },
): Promise<JobResult> {
  const verbosity = how.quiet ? "quiet" : how.json ? "json" : "lines";
  const reporter = new Reporter(environment, verbosity);
  try {
    const result = await runJob(job, environment, reporter);
    reporter.note(`done in ${durationText(result.seconds * 1000)}`);
    if (how.json) environment.writeOut(`${JSON.stringify(result)}\n`);
    else environment.writeOut(`${Object.values(result.files).join("\n")}\n`);
    return result;
  } finally {
    reporter.clearLine();
  }
}
