import { certificatePolicies } from "./certificate-policy.js";
import { type Manifest, nameOf } from "./manifest.js";
import { networkPolicies } from "./network-policy.js";
import { objectPolicies } from "./object-policy.js";
import { type Plant, planted, plants } from "./plants.js";
import { type Policy, podPolicies } from "./pod-policy.js";
import { objectsOf, type Rendered } from "./render.js";
import { createSchemaCheck, releases } from "./schema-check.js";

export const policies: readonly Policy[] = [
  ...[...podPolicies, ...objectPolicies, ...networkPolicies, ...certificatePolicies],
];

/** Those with most in them: a plant goes into the first that has its object. */
const wholes = ["gpu+mtls+kueue+keda+monitoring", "gpu+mtls+lws+kueue+keda-lws+monitoring"];

export function wholeFor(rendered: Rendered, { at }: Plant): readonly Manifest[] {
  const has = (objects: readonly Manifest[]): boolean =>
    objects.some((object) => nameOf(object).startsWith(at));
  return wholes.map((name) => objectsOf(rendered, name)).find(has) ?? [];
}

/** What the rules find in a whole, each with the name of its rule. */
export function findingsIn(objects: readonly Manifest[]): string[] {
  return policies.flatMap(({ name, findings }) =>
    findings(objects).map((finding) => `${name}: ${finding}`),
  );
}

/** Whether the rule that is meant for an error sees it, and sees nothing where it is not. */
export function isCaught(rendered: Rendered, plant: Plant): boolean {
  const policy = policies.find(({ name }) => name === plant.rule);
  const objects = wholeFor(rendered, plant);
  if (policy === undefined || policy.findings(objects).length > 0) return false;
  return policy.findings(planted(objects, plant)).length > 0;
}

/** Holds all that is rendered against schemas and rules, and the rules against planted errors. */
export function judgeAll(rendered: Rendered): {
  readonly lines: readonly string[];
  readonly problems: readonly string[];
} {
  const objects = Object.values(rendered.objects);
  const misfits = releases.flatMap((release) =>
    objects.flatMap(createSchemaCheck(release)).map((problem) => `${release}: ${problem}`),
  );
  const names = Object.keys(rendered.combinations);
  const broken = names.flatMap((name) =>
    findingsIn(objectsOf(rendered, name)).map((finding) => `${name}: ${finding}`),
  );
  const missed = plants.filter((plant) => !isCaught(rendered, plant));
  const brokenNames = new Set(broken.map((finding) => finding.replace(/:.*/, "")));
  const kept = names.length - brokenNames.size;
  return {
    lines: [
      `schemas of Kubernetes ${releases.join(" and ")}: ${objects.length} objects, ` +
        `${misfits.length} problems`,
      `policy: ${kept} of ${names.length} combinations keep ${policies.length} rules`,
      `planted errors: ${plants.length - missed.length} of ${plants.length} caught`,
    ],
    problems: [
      ...[...misfits, ...broken],
      ...missed.map(({ rule, error, at }) => `not caught: ${rule} (${error}, at ${at})`),
    ],
  };
}
