import { EditState } from "@retake/wire/edit";
import { describe, expect, it } from "vitest";
import { ACluster } from "../job/testing/a-cluster.js";
import { editMessage } from "./edit-message.js";

describe("editMessage", () => {
  it("shows an edit as paused while no record that says so can be stored", () => {
    const cluster = new ACluster();
    cluster.submit();
    const stored = cluster.record();
    expect(editMessage(stored, cluster.state).state).toBe(EditState.EDIT_STATE_RUNNING);
    cluster.tell({ kind: "store-full", what: "a commit" });
    expect(editMessage(stored, cluster.state)).toMatchObject({
      ...{ state: EditState.EDIT_STATE_PAUSED, reason: "paused: the store has no room" },
    });
    const ended = { ...stored, state: "failed" } as const;
    expect(editMessage(ended, cluster.state).state).toBe(EditState.EDIT_STATE_FAILED);
    cluster.tell({ kind: "store-has-room" });
    expect(editMessage(stored, cluster.state).state).toBe(EditState.EDIT_STATE_RUNNING);
  });
});
