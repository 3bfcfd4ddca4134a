import { malformed, shown } from "../files/file-errors.js";
import type { TensorDtype } from "../safetensors/header.js";
import { forbidden, type PickleWorld, readPickle } from "./pickle-machine.js";

/** A run of values that tensors are views of. */
export interface TorchStorage {
  readonly key: string;
  readonly dtype: TensorDtype;
  /** How many values it holds. */
  readonly count: number;
}

/** A view of a storage, in values. Checked: it never reaches beyond the storage. */
export interface TorchTensor {
  readonly storage: TorchStorage;
  readonly start: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A name that a pickle may mention; compared by identity, never executed. */
interface Known {
  readonly name: string;
  readonly dtype?: TensorDtype;
}

const dtypeOfStorage: Readonly<Record<string, TensorDtype>> = {
  "torch.FloatStorage": "F32",
  "torch.HalfStorage": "F16",
  "torch.BFloat16Storage": "BF16",
  "torch.DoubleStorage": "F64",
  "torch.LongStorage": "I64",
  "torch.IntStorage": "I32",
  "torch.ShortStorage": "I16",
  "torch.CharStorage": "I8",
  "torch.ByteStorage": "U8",
  "torch.BoolStorage": "BOOL",
};

const knownNames: ReadonlyMap<string, Known> = new Map(
  [
    { name: "collections.OrderedDict" },
    { name: "torch._utils._rebuild_tensor_v2" },
    { name: "torch._utils._rebuild_parameter" },
    { name: "torch.Size" },
    ...Object.entries(dtypeOfStorage).map(([name, dtype]) => ({ name, dtype })),
  ].map((known) => [known.name, known] as const),
);

const tensors = new WeakSet<object>();

function isTensor(value: unknown): value is TorchTensor {
  return typeof value === "object" && value !== null && tensors.has(value);
}

function isKnown(value: unknown): value is Known {
  return [...knownNames.values()].some((known) => known === value);
}

/** The world of a pickle that `torch.save` wrote: tensors, dictionaries, and nothing else. */
export function torchWorld(label: string): PickleWorld {
  return {
    find: (name) => knownNames.get(name),
    persistent: (id) => storageOf(id, label),
    call: (callable, parameters) => {
      if (!isKnown(callable) || callable.dtype !== undefined) {
        throw forbidden({ label, got: "a call of something that is not known" });
      }
      return called(callable.name, parameters, label);
    },
  };
}

/**
 * The tensors of a pickled state dict, by name.
 *
 * @returns  the tensors, and where the pickle ends
 * @throws RetakeError  `pickle-forbidden`, `file-malformed`
 */
export function readTorchPickle(
  bytes: Uint8Array,
  place: { readonly label: string; readonly start: number },
): { readonly tensors: ReadonlyMap<string, TorchTensor>; readonly end: number } {
  const { value, end } = readPickle(bytes, place, torchWorld(place.label));
  return { tensors: stateDict(value, place.label), end };
}

function stateDict(value: unknown, label: string): ReadonlyMap<string, TorchTensor> {
  if (!(value instanceof Map)) throw malformed(`${label}: expected a dictionary of tensors`);
  const inner: unknown = value.get("state_dict");
  if (inner instanceof Map) return stateDict(new Map(inner), label);
  const result = new Map<string, TorchTensor>();
  for (const [name, tensor] of value) {
    if (typeof name !== "string" || !isTensor(tensor)) {
      throw malformed(`${label}: ${shown(name)}: expected a name and its tensor`);
    }
    if (name in Object.prototype) throw malformed(`${label}: no tensor may be named ${name}`);
    result.set(name, tensor);
  }
  return result;
}

function called(name: string, parameters: readonly unknown[], label: string): unknown {
  const [first] = parameters;
  switch (name) {
    case "collections.OrderedDict":
      return orderedDict(first, label);
    case "torch.Size":
      return sizesOf(first, label);
    case "torch._utils._rebuild_parameter":
      if (isTensor(first)) return first;
      throw malformed(`${label}: expected a parameter of a tensor`);
    default:
      return tensorOf(parameters, label);
  }
}

function orderedDict(pairs: unknown, label: string): Map<unknown, unknown> {
  const result = new Map<unknown, unknown>();
  if (pairs === undefined) return result;
  if (!Array.isArray(pairs)) throw malformed(`${label}: expected the pairs of a dictionary`);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed(`${label}: expected a pair`);
    result.set(pair[0], pair[1]);
  }
  return result;
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function sizesOf(value: unknown, label: string): readonly number[] {
  const isCounts = (items: readonly unknown[]): items is readonly number[] => items.every(isCount);
  if (Array.isArray(value) && isCounts(value)) return [...value];
  throw malformed(`${label}: expected a tuple of sizes`);
}

const storages = new WeakSet<object>();

function isStorage(value: unknown): value is TorchStorage {
  return typeof value === "object" && value !== null && storages.has(value);
}

/**
 * `("storage", class, key, place, count)`; old files add what the storage is a view of, or None.
 */
function storageOf(id: unknown, label: string): TorchStorage {
  const [kind, known, key, , count, view]: readonly unknown[] = Array.isArray(id) ? id : [];
  const dtype = isKnown(known) ? known.dtype : undefined;
  const isPlain = kind === "storage" && (view === undefined || view === null);
  if (!isPlain || dtype === undefined || typeof key !== "string" || !isCount(count)) {
    throw malformed(`${label}: expected a reference to a storage of a known type`);
  }
  const storage = { key, dtype, count };
  storages.add(storage);
  return storage;
}

function tensorOf(parameters: readonly unknown[], label: string): TorchTensor {
  const [storage, start] = parameters;
  if (!isStorage(storage) || !isCount(start)) throw malformed(`${label}: expected a storage`);
  const shape = sizesOf(parameters[2], label);
  const strides = sizesOf(parameters[3], label);
  if (shape.length !== strides.length) throw malformed(`${label}: expected a stride per axis`);
  let last = start;
  let count = 1;
  for (const [axis, size] of shape.entries()) {
    last += Math.max(size - 1, 0) * (strides[axis] ?? 0);
    count *= size;
  }
  const isInside = count === 0 || (last < storage.count && count <= storage.count);
  if (!isInside || !Number.isSafeInteger(last) || !Number.isSafeInteger(count)) {
    throw malformed(`${label}: expected a tensor inside its storage of ${storage.count} values`);
  }
  const tensor = { storage, start, shape, strides };
  tensors.add(tensor);
  return tensor;
}
