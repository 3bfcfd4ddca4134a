/** Puts a pickle together by hand, so that tests can write what no library would. */
export const assemble = {
  global: (module: string, { name }: { readonly name: string }): Buffer =>
    Buffer.from(`c${module}\n${name}\n`),
  text: (value: string): Buffer => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.byteLength);
    return Buffer.concat([Buffer.from("X"), length, bytes]);
  },
  int: (value: number): Buffer => {
    const bytes = Buffer.alloc(5);
    bytes.write("J");
    bytes.writeInt32LE(value, 1);
    return bytes;
  },
  /** MARK, the parts, TUPLE. */
  tuple: (...parts: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from("("), ...parts, Buffer.from("t")]),
  /** EMPTY_DICT, MARK, keys and values, SETITEMS. */
  dict: (...parts: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from("}("), ...parts, Buffer.from("u")]),
  /** PROTO 2, the parts, STOP. */
  pickle: (...parts: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from([0x80, 2]), ...parts, Buffer.from(".")]),
  /** Any instruction by its letter. */
  code: (letters: string): Buffer => Buffer.from(letters, "latin1"),
};

/** A reference to a storage, as `torch.save` writes it. */
export function storageReference(type: string, { count }: { readonly count: number }): Buffer {
  const { tuple, text, global, int, code } = assemble;
  const parts = [text("storage"), global("torch", { name: type }), text("0"), text("cpu")];
  return Buffer.concat([tuple(...parts, int(count)), code("Q")]);
}

/** A tensor of storage 0. */
export function tensorPickle(options: {
  readonly count: number;
  readonly start?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly type?: string;
}): Buffer {
  const { tuple, int, global, code } = assemble;
  const { count, start = 0, shape, strides, type = "FloatStorage" } = options;
  return Buffer.concat([
    global("torch._utils", { name: "_rebuild_tensor_v2" }),
    tuple(
      storageReference(type, { count }),
      int(start),
      tuple(...shape.map(int)),
      tuple(...strides.map(int)),
      code("\x89"),
      Buffer.concat([global("collections", { name: "OrderedDict" }), code(")R")]),
    ),
    code("R"),
  ]);
}

/** A zip archive of stored entries. */
export function zipOf(
  entries: ReadonlyMap<string, Buffer>,
  change: { readonly method?: number; readonly comment?: string } = {},
): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of entries) {
    const nameBytes = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(nameBytes.byteLength, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(change.method ?? 0, 10);
    central.writeUInt32LE(content.byteLength, 20);
    central.writeUInt32LE(content.byteLength, 24);
    central.writeUInt16LE(nameBytes.byteLength, 28);
    central.writeUInt32LE(offset, 42);
    locals.push(local, nameBytes, content);
    centrals.push(central, nameBytes);
    offset += local.byteLength + nameBytes.byteLength + content.byteLength;
  }
  const directory = Buffer.concat(centrals);
  const comment = Buffer.from(change.comment ?? "");
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.size, 10);
  end.writeUInt32LE(directory.byteLength, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.byteLength, 20);
  return Buffer.concat([...locals, directory, end, comment]);
}
