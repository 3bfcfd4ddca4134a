import { Code, RetakeError } from "@retake/errors";
import { malformed, shown } from "../files/file-errors.js";
import { type PickleBytes, pickleBytes } from "./pickle-bytes.js";

/**
 * What a pickle may refer to. A dictionary arrives as a `Map`, lists and tuples as arrays, integers
 * beyond 2^53 as `bigint`.
 */
export interface PickleWorld {
  /** The thing of that name, or undefined: then reading ends with `pickle-forbidden`. */
  readonly find: (name: string) => unknown;
  readonly call: (callable: unknown, parameters: readonly unknown[]) => unknown;
  readonly persistent: (id: unknown) => unknown;
}

const mark = Symbol("mark");

interface Machine {
  readonly bytes: PickleBytes;
  readonly world: PickleWorld;
  readonly stack: unknown[];
  readonly memo: Map<number, unknown>;
}

/**
 * Reads one pickle: an interpreter of the few instructions that `torch.save` writes. It builds
 * numbers, texts, lists and dictionaries; a name that `world` does not know, or an instruction that
 * would make anything else, ends it. Nothing is ever imported or run.
 *
 * @returns  the value, and where the pickle ends in `source`
 * @throws RetakeError  `pickle-forbidden`, which names what was asked for; `file-malformed`
 */
export function readPickle(
  source: Uint8Array,
  place: { readonly label: string; readonly start: number },
  world: PickleWorld,
): { readonly value: unknown; readonly end: number } {
  const bytes = pickleBytes(source, place);
  const machine: Machine = { bytes, world, stack: [], memo: new Map() };
  for (;;) {
    const code = bytes.byte();
    if (code === stop) return { value: pop(machine), end: bytes.position() };
    const instruction = instructions.get(code);
    if (instruction === undefined) throw refusedInstruction(machine, code);
    instruction(machine);
  }
}

const stop = 0x2e;

/** Instructions that build objects of any class. */
const forbiddenCodes: ReadonlyMap<number, string> = new Map([
  [0x69, "INST"],
  [0x6f, "OBJ"],
  [0x81, "NEWOBJ"],
  [0x92, "NEWOBJ_EX"],
  [0x82, "EXT1"],
  [0x83, "EXT2"],
  [0x84, "EXT4"],
]);

function refusedInstruction({ bytes }: Machine, code: number): RetakeError {
  const name = forbiddenCodes.get(code);
  if (name !== undefined) return forbidden({ label: bytes.label, got: `the instruction ${name}` });
  const hexadecimal = `0x${code.toString(16)}`;
  return malformed(`${bytes.label}: expected an instruction of torch.save, got ${hexadecimal}`);
}

export function forbidden(seen: { readonly label: string; readonly got: string }): RetakeError {
  const expected = `expected a pickle of tensors only, got ${seen.got}, which is not run`;
  const message = `${seen.label}: ${expected}; use a safetensors file from a source you trust`;
  return new RetakeError(Code.InvalidArgument, "pickle-forbidden", message);
}

function broken(machine: Machine, expected: string): RetakeError {
  return malformed(`${machine.bytes.label}: expected ${expected} on the pickle's stack`);
}

function pop(machine: Machine): unknown {
  const value = machine.stack.pop();
  if (value === mark || value === undefined) throw broken(machine, "a value");
  return value;
}

function top(machine: Machine): unknown {
  const value = machine.stack.at(-1);
  if (value === mark || value === undefined) throw broken(machine, "a value");
  return value;
}

/** Everything above the last mark, which goes too. */
function popToMark(machine: Machine): unknown[] {
  const at = machine.stack.lastIndexOf(mark);
  if (at < 0) throw broken(machine, "a mark");
  const values = machine.stack.splice(at);
  return values.slice(1);
}

function setItems(machine: Machine, items: readonly unknown[]): void {
  const target = top(machine);
  if (!(target instanceof Map) || items.length % 2 !== 0) throw broken(machine, "a dictionary");
  for (let at = 0; at < items.length; at += 2) target.set(items[at], items[at + 1]);
}

function append(machine: Machine, items: readonly unknown[]): void {
  const target = top(machine);
  if (!Array.isArray(target)) throw broken(machine, "a list");
  for (const item of items) target.push(item);
}

function pushGlobal(machine: Machine, name: string): void {
  const found = machine.world.find(name);
  if (found === undefined)
    throw forbidden({ label: machine.bytes.label, got: `the name ${shown(name)}` });
  machine.stack.push(found);
}

function reduce(machine: Machine): void {
  const parameters = pop(machine);
  const callable = pop(machine);
  if (!Array.isArray(parameters)) throw broken(machine, "a tuple");
  machine.stack.push(machine.world.call(callable, parameters));
}

/**
 * State of a dictionary (`_metadata` of a state dict) says nothing about tensors: it is dropped.
 */
function build(machine: Machine): void {
  pop(machine);
  if (!(top(machine) instanceof Map)) {
    const got = "the instruction BUILD on another thing than a dictionary";
    throw forbidden({ label: machine.bytes.label, got });
  }
}

/** A signed little-endian integer of any length. */
function longInteger(bytes: Uint8Array): number | bigint {
  let value = 0n;
  for (const byte of [...bytes].reverse()) value = (value << 8n) | BigInt(byte);
  const signed = BigInt.asIntN(bytes.byteLength * 8, value);
  const isSafe = signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER;
  return isSafe ? Number(signed) : signed;
}

function remember(machine: Machine, index: number): void {
  machine.memo.set(index, top(machine));
}

function recall(machine: Machine, index: number): void {
  const value = machine.memo.get(index);
  if (value === undefined) throw broken(machine, `the remembered value ${index}`);
  machine.stack.push(value);
}

function pushTuple(machine: Machine, count: number): void {
  const values: unknown[] = [];
  for (let at = 0; at < count; at++) values.unshift(pop(machine));
  machine.stack.push(values);
}

const instructions: ReadonlyMap<number, (machine: Machine) => void> = new Map([
  [0x80, ({ bytes }) => void bytes.byte()], // PROTO
  [0x95, ({ bytes }) => void bytes.take(8)], // FRAME
  [0x28, ({ stack }) => void stack.push(mark)], // MARK
  [0x30, (machine) => void machine.stack.pop()], // POP
  [0x31, (machine) => void popToMark(machine)], // POP_MARK
  [0x4e, ({ stack }) => void stack.push(null)], // NONE
  [0x88, ({ stack }) => void stack.push(true)], // NEWTRUE
  [0x89, ({ stack }) => void stack.push(false)], // NEWFALSE
  [0x4b, ({ stack, bytes }) => void stack.push(bytes.byte())], // BININT1
  [0x4d, ({ stack, bytes }) => void stack.push(bytes.uint16())], // BININT2
  [0x4a, ({ stack, bytes }) => void stack.push(bytes.int32())], // BININT
  [0x8a, ({ stack, bytes }) => void stack.push(longInteger(bytes.take(bytes.byte())))], // LONG1
  [0x47, ({ stack, bytes }) => void stack.push(bytes.float64BigEndian())], // BINFLOAT
  [0x58, ({ stack, bytes }) => void stack.push(bytes.text(bytes.uint32()))], // BINUNICODE
  [0x8c, ({ stack, bytes }) => void stack.push(bytes.text(bytes.byte()))], // SHORT_BINUNICODE
  [0x55, ({ stack, bytes }) => void stack.push(bytes.text(bytes.byte()))], // SHORT_BINSTRING
  [0x54, ({ stack, bytes }) => void stack.push(bytes.text(bytes.uint32()))], // BINSTRING
  [0x7d, ({ stack }) => void stack.push(new Map())], // EMPTY_DICT
  [0x5d, ({ stack }) => void stack.push([])], // EMPTY_LIST
  [0x29, ({ stack }) => void stack.push([])], // EMPTY_TUPLE
  [0x85, (machine) => pushTuple(machine, 1)], // TUPLE1
  [0x86, (machine) => pushTuple(machine, 2)], // TUPLE2
  [0x87, (machine) => pushTuple(machine, 3)], // TUPLE3
  [0x74, (machine) => void machine.stack.push(popToMark(machine))], // TUPLE
  [0x61, (machine) => append(machine, [pop(machine)])], // APPEND
  [0x65, (machine) => append(machine, popToMark(machine))], // APPENDS
  [0x73, setItem], // SETITEM
  [0x75, (machine) => setItems(machine, popToMark(machine))], // SETITEMS
  [0x71, (machine) => remember(machine, machine.bytes.byte())], // BINPUT
  [0x72, (machine) => remember(machine, machine.bytes.uint32())], // LONG_BINPUT
  [0x94, (machine) => remember(machine, machine.memo.size)], // MEMOIZE
  [0x68, (machine) => recall(machine, machine.bytes.byte())], // BINGET
  [0x6a, (machine) => recall(machine, machine.bytes.uint32())], // LONG_BINGET
  [0x63, findGlobal], // GLOBAL
  [0x93, stackGlobal], // STACK_GLOBAL
  [0x51, (machine) => void machine.stack.push(machine.world.persistent(pop(machine)))], // BINPERSID
  [0x52, reduce], // REDUCE
  [0x62, build], // BUILD
]);

function setItem(machine: Machine): void {
  const value = pop(machine);
  const key = pop(machine);
  setItems(machine, [key, value]);
}

function findGlobal(machine: Machine): void {
  const module = machine.bytes.line();
  pushGlobal(machine, `${module}.${machine.bytes.line()}`);
}

function stackGlobal(machine: Machine): void {
  const name = pop(machine);
  const module = pop(machine);
  if (typeof name !== "string" || typeof module !== "string") throw broken(machine, "two names");
  pushGlobal(machine, `${module}.${name}`);
}
