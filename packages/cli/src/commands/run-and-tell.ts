import type { Environment } from "../environment.js";
import { predictionText } from "../pipeline/dry-run.js";
import type { Job, JobResult } from "../pipeline/job.js";
import { predictJob, runJob } from "../pipeline/run-job.js";
import { Reporter } from "../progress/reporter.js";
import { durationText } from "../text/duration-text.js";

/** In which form a command tells what it does. */
export interface Telling {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Runs a job; its result goes to stdout, as a page or as JSON. A dry run has none. */
export async function runAndTell(
  job: Job,
  environment: Environment,
  how: Telling,
): Promise<JobResult | undefined> {
  const verbosity = how.quiet ? "quiet" : how.json ? "json" : "lines";
  const reporter = new Reporter(environment, verbosity);
  const print = (value: unknown, page: string): void =>
    environment.writeOut(`${how.json ? JSON.stringify(value) : page}\n`);
  try {
    if (job.dryRun) {
      const prediction = await predictJob(job, environment, reporter);
      print(prediction, predictionText(prediction));
      return undefined;
    }
    const result = await runJob(job, environment, reporter);
    reporter.note(`done in ${durationText(result.seconds * 1000)}`);
    print(result, Object.values(result.files).join("\n"));
    return result;
  } finally {
    reporter.clearLine();
  }
}
