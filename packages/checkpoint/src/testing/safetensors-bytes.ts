/** A safetensors file made by hand: the header's text as it is, then `data`. */
export function safetensorsBytes(header: string, data: Uint8Array = new Uint8Array()): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  return Buffer.concat([length, text, data]);
}
