import { createMemoryArtifacts } from "./memory-artifacts.js";
import { describeArtifacts } from "./testing/artifact-contract.js";

describeArtifacts("in memory", createMemoryArtifacts);
