import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { objectsOf, readRendered, root } from "./render.js";

const objects = objectsOf(readRendered(), "gpu+kueue+keda+monitoring");
const places = ["services/coordinator/src/rpc", "services/gpu-node/src/rpc"];

/** Names that the code registers, as they stand in it; and those that `prom-client` adds. */
function exportedNames(): Set<string> {
  const sources = places.flatMap((place) =>
    readdirSync(join(root, place))
      .filter((name) => name.endsWith("metrics.ts"))
      .map((name) => readFileSync(join(root, place, name), "utf8")),
  );
  const own = sources.flatMap((text) => [...text.matchAll(/"(retake_\w+)"/g)].map(([, n]) => n));
  const client = join(root, "node_modules/prom-client/lib/metrics");
  const names = readdirSync(client).filter((name) => name.endsWith(".js"));
  const added = names.flatMap((name) => {
    const text = readFileSync(join(client, name), "utf8");
    return [...text.matchAll(/'((?:nodejs|process)_\w+)'/g)].map(([, found]) => found);
  });
  return new Set([...own, ...added].flatMap((name) => name ?? []));
}

/** Metrics that an expression asks for: what has a selector, or `retake_` at its beginning. */
const metricsIn = (expression: string): string[] =>
  [...expression.matchAll(/([a-z]\w*)\{/g)].flatMap(([, name]) => name ?? []);

function expressions(): string[] {
  const rule = objects.find(({ kind }) => kind === "PrometheusRule");
  const alerts = rule?.spec?.groups?.flatMap(({ rules }) => rules.map(({ expr }) => expr)) ?? [];
  const scaler = objects.find(({ kind }) => kind === "ScaledObject");
  const queries = scaler?.spec?.triggers?.map(({ metadata }) => metadata.query ?? "") ?? [];
  return [
    ...alerts,
    ...queries,
    ...dashboardPanels().flatMap(({ targets }) => targets.map((t) => t.expr)),
  ];
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

function dashboardPanels(): readonly Panel[] {
  const map = objects.find(({ metadata }) => metadata.name === "retake-dashboard");
  const { panels }: { panels: readonly Panel[] } = JSON.parse(map?.data?.["retake.json"] ?? "{}");
  return panels;
}

describe("alerts, dashboard and scaler", () => {
  const exported = exportedNames();

  it("ask for metrics that the code gives", () => {
    const asked = new Set(expressions().flatMap(metricsIn));
    const known = (name: string) =>
      name === "up" || exported.has(name) || exported.has(name.replace(/_(bucket|sum|count)$/, ""));
    expect(asked.size).toBeGreaterThan(20);
    expect([...asked].filter((name) => !known(name))).toEqual([]);
  });

  it("leave out no metric of our own", () => {
    const asked = new Set(
      expressions()
        .flatMap(metricsIn)
        .map((n) => n.replace(/_bucket$/, "")),
    );
    const own = [...exported].filter((name) => name.startsWith("retake_"));
    expect(own.filter((name) => !asked.has(name))).toEqual([]);
  });

  it("name the namespace in every selector, and close what they open", () => {
    for (const expression of expressions()) {
      for (const [, inside] of expression.matchAll(/[a-z]\w*\{([^}]*)\}/g)) {
        expect(inside).toContain('namespace="retake"');
      }
      const count = (character: string) => expression.split(character).length;
      expect(count("("), expression).toBe(count(")"));
      expect(count("["), expression).toBe(count("]"));
    }
  });

  it("tell for each alert where the page says what it means", () => {
    const page = readFileSync(join(root, "deploy/k8s/README.md"), "utf8");
    const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title.toLowerCase());
    const rule = objects.find(({ kind }) => kind === "PrometheusRule");
    const rules = rule?.spec?.groups?.flatMap((group) => group.rules) ?? [];
    expect(rules.length).toBeGreaterThan(10);
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`deploy/k8s/README.md#${alert.toLowerCase()}`);
      expect(headings).toContain(alert.toLowerCase());
    }
  });

  it("number the panels of the dashboard, each with a title of its own", () => {
    const panels = dashboardPanels();
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});
