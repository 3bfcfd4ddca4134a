import { describe, expect, it } from "vitest";
import { certificatePolicies } from "./certificate-policy.js";
import type { Manifest } from "./manifest.js";
import { networkPolicies } from "./network-policy.js";
import { objectPolicies } from "./object-policy.js";
import { type Plant, planted, plants } from "./plants.js";
import { podPolicies } from "./pod-policy.js";
import { objectsOf, readRendered } from "./render.js";

const policies = [...podPolicies, ...objectPolicies, ...networkPolicies, ...certificatePolicies];
const rendered = readRendered();

/** Those with most in them: a plant goes into the first that has its object. */
const wholes = ["gpu+mtls+kueue+keda+monitoring", "gpu+mtls+lws+kueue+keda-lws+monitoring"].map(
  (name) => objectsOf(rendered, name),
);

function wholeFor({ at }: Plant): readonly Manifest[] {
  const has = (objects: readonly Manifest[]) =>
    objects.some(({ kind, metadata }) => `${kind}/${metadata.name}`.startsWith(at));
  return wholes.find(has) ?? [];
}

describe("the policy of deploy/k8s", () => {
  it.each(Object.keys(rendered.combinations))("is kept by %s", (name) => {
    const objects = objectsOf(rendered, name);
    const found = policies.flatMap((policy) =>
      policy.findings(objects).map((finding) => `${policy.name}: ${finding}`),
    );
    expect(found).toEqual([]);
  });

  it.each(plants)("sees: $rule ($error, at $at)", (plant) => {
    const policy = policies.find(({ name }) => name === plant.rule);
    const objects = wholeFor(plant);
    expect(policy?.findings(objects)).toEqual([]);
    expect(policy?.findings(planted(objects, plant))).not.toEqual([]);
  });

  it("has an error planted for each of its rules", () => {
    const tried = new Set(plants.map(({ rule }) => rule));
    expect([...tried].sort()).toEqual(policies.map(({ name }) => name).sort());
  });
});
