import type { Reign, TaskEffect, TaskRunner } from "../loop/reign.js";
import { type HereOptions, HereTasks } from "./here-tasks.js";
import { NodeTasks, type NodeTasksOptions } from "./node-tasks.js";
import { watchedArtifacts } from "./watched-artifacts.js";

/** Runs what a reign decides: on nodes, or in this process. */
export function createTaskRunner(
  reign: Reign,
  options: HereOptions & NodeTasksOptions,
): TaskRunner {
  const artifacts = watchedArtifacts(options.artifacts, {
    onFull: (what) => reign.tell({ kind: "store-full", what }),
    onRoom: () => reign.tell({ kind: "store-has-room" }),
    signal: reign.signal,
  });
  const onNodes = new NodeTasks(reign, artifacts, options);
  const here = new HereTasks(reign, { ...options, artifacts });
  const run = (effect: TaskEffect): void => {
    switch (effect.kind) {
      case "run-here":
        here.start(effect);
        return;
      case "start-task":
        onNodes.start(effect);
        return;
      case "open-tune":
        onNodes.openTune(effect);
        return;
      case "lend-branch":
        onNodes.lendBranch(effect);
        return;
      case "lend-frames":
        onNodes.lendFrames(effect);
        return;
      case "abort-task":
        if (effect.nodeId === "") here.abort(effect);
        else onNodes.abort(effect);
        return;
      default:
        onNodes.tellMember(effect);
    }
  };
  return {
    run,
    onNodes: (nodes) => onNodes.onNodes(nodes),
    close: () => {
      onNodes.close();
      here.close();
    },
  };
}
