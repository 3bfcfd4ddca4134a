import { describe, expect, it } from "vitest";
import type { EditRecord } from "./edit-record.js";
import { chargedShares, comparedEdits, joinedShares, nextTenant } from "./fairness.js";

describe("nextTenant", () => {
  it("is who has been given least, and by name where shares are equal", () => {
    expect(nextTenant(["b", "a"], new Map())).toBe("a");
    expect(nextTenant(["b", "a"], new Map([["a", 1]]))).toBe("b");
    expect(nextTenant([], new Map())).toBeUndefined();
  });
});

describe("chargedShares", () => {
  it("serves three waiting tenants alike, however much each has to do", () => {
    const waiting = ["a", "b", "c"];
    const served = { a: 0, b: 0, c: 0 };
    let shares: ReadonlyMap<string, number> = new Map();
    for (let turn = 0; turn < 300; turn += 1) {
      const tenant = nextTenant(waiting, shares) as "a" | "b" | "c";
      served[tenant] += 1;
      shares = chargedShares(shares, { tenant, cost: 1, present: waiting });
    }
    expect(served).toEqual({ a: 100, b: 100, c: 100 });
  });

  it("gives twice the turns to a tenant whose work costs half", () => {
    const served = { big: 0, small: 0 };
    let shares: ReadonlyMap<string, number> = new Map();
    for (let turn = 0; turn < 300; turn += 1) {
      const tenant = nextTenant(["big", "small"], shares) as "big" | "small";
      served[tenant] += 1;
      const cost = tenant === "big" ? 2 : 1;
      shares = chargedShares(shares, { tenant, cost, present: ["big", "small"] });
    }
    expect(served).toEqual({ big: 100, small: 200 });
  });

  it("lets nobody save up turns while away", () => {
    const away = new Map([
      ["away", 0],
      ["busy", 100],
    ]);
    const charged = chargedShares(away, { tenant: "busy", cost: 1, present: ["busy"] });
    expect(charged).toEqual(
      new Map([
        ["away", 100],
        ["busy", 101],
      ]),
    );
  });
});

describe("joinedShares", () => {
  it("lets a newcomer begin where the poorest of those present is", () => {
    const shares = new Map([
      ["away", 1],
      ["poor", 5],
      ["rich", 9],
    ]);
    expect(joinedShares(shares, ["poor", "rich", "new"]).get("new")).toBe(5);
    expect(joinedShares(shares, ["new"]).get("new")).toBe(9);
    expect(joinedShares(new Map(), ["new"]).get("new")).toBe(0);
    expect(joinedShares(shares, ["poor"])).toBe(shares);
  });
});

describe("comparedEdits", () => {
  const edit = (
    id: string,
    values: { priority?: number; startedMs?: number; submittedMs?: number },
  ) =>
    ({
      ...{ id, startedMs: values.startedMs ?? 0, submittedMs: values.submittedMs ?? 0 },
      spec: { priority: values.priority ?? 0 },
    }) as EditRecord;

  it("puts priority before what has begun, that before age, and never ties", () => {
    const edits = [
      edit("late", { submittedMs: 9 }),
      edit("a", { submittedMs: 1 }),
      edit("b", { submittedMs: 1 }),
      edit("begun", { startedMs: 5, submittedMs: 9 }),
      edit("urgent", { priority: 9, submittedMs: 9 }),
    ];
    const order = edits.toSorted(comparedEdits).map(({ id }) => id);
    expect(order).toEqual(["urgent", "begun", "a", "b", "late"]);
  });
});
