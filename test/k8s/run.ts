import { runCommand } from "../run-command.js";
import { combinations } from "./combinations.js";
import { judgeAll } from "./judge-all.js";
import type { Manifest } from "./manifest.js";
import {
  digestOfSources,
  findKustomize,
  gathered,
  readRendered,
  render,
  writeRendered,
} from "./render.js";
import { tryImages } from "./try-images.js";
import { writeSchemas } from "./write-schemas.js";

const install = "go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.1";

/** Renders every combination, and keeps what came out for the tests. */
async function renderAll(): Promise<void> {
  const kustomize = findKustomize(process.env);
  if (kustomize === undefined) {
    throw new Error(`kustomize: expected it or kubectl on the PATH, got neither; ${install}`);
  }
  const rendered = new Map<string, Manifest[]>();
  for (const combination of combinations) {
    rendered.set(combination.name, await render(kustomize, combination));
  }
  const kept = gathered(rendered, digestOfSources());
  await writeRendered(kept);
  const total = [...rendered.values()].reduce((sum, objects) => sum + objects.length, 0);
  const count = Object.keys(kept.objects).length;
  console.log(`${rendered.size} of ${combinations.length} combinations rendered`);
  console.log(`${total} objects, ${count} of them different`);
}

/** Judges what was rendered. @returns  the exit code */
function judge(): number {
  const rendered = readRendered();
  const isCurrent = rendered.sourceDigest === digestOfSources();
  const stale = isCurrent ? [] : ["deploy/k8s has changed since; npm run k8s:render"];
  const { lines, problems } = judgeAll(rendered);
  const count = Object.keys(rendered.combinations).length;
  console.log(`rendered: ${count} of ${combinations.length} combinations`);
  for (const line of [...lines, ...stale, ...problems]) console.log(line);
  return stale.length + problems.length === 0 ? 0 : 1;
}

const usage = `npm run k8s:render
  renders every combination for the tests; needs kustomize or kubectl
npm run k8s:policy
  holds what was rendered against schemas and rules, and the rules against planted errors
npm run k8s:images -- [--keep]
  installs and starts what the images do, in clean folders; --keep leaves them
npm run k8s:schemas -- FOLDER
  writes the schemas anew, from those of Kubernetes in the folder`;

/** `npm run k8s:NAME`. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  const [folder] = args;
  if (name === "render") await renderAll();
  else if (name === "policy") return judge();
  else if (name === "images") await tryImages(args);
  else if (name === "schemas" && folder !== undefined) await writeSchemas(folder);
  else throw new Error("expected render, policy, images, or schemas FOLDER");
  return 0;
}

await runCommand({ name: "k8s", usage }, () => main(process.argv.slice(2)));
