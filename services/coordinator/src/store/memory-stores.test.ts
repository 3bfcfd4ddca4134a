import { createMemoryStores } from "./memory-stores.js";
import { describeStores } from "./testing/store-contract.js";
import { commitCodec, sampleCodec } from "./testing/values.js";

describeStores("in memory", async () =>
  createMemoryStores({ record: sampleCodec, commit: commitCodec }),
);
