import { modelType } from "../lower/onnx-proto.js";

/** The parts of an ONNX model that tests look at, as protobuf decodes them. */
export interface DecodedModel {
  readonly opsetImport: readonly { readonly domain: string; readonly version: string }[];
  readonly graph: {
    readonly node: readonly DecodedNode[];
    readonly initializer: readonly DecodedTensor[];
    readonly input: readonly {
      readonly name: string;
      readonly type?: { readonly tensorType?: { readonly shape?: { readonly dim: unknown[] } } };
    }[];
    readonly output: readonly { readonly name: string }[];
  };
}

interface DecodedNode {
  readonly opType: string;
  readonly name: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly Readonly<Record<string, unknown>>[];
}

interface DecodedTensor {
  readonly name: string;
  readonly dims: readonly string[];
  readonly dataType: number;
  readonly rawData: string;
  readonly externalData: readonly { readonly key: string; readonly value: string }[];
}

/** Decodes what `encodeOnnx` wrote. */
export function decodeOnnx(bytes: Uint8Array): DecodedModel {
  const options = { longs: String, bytes: String, arrays: true, defaults: true };
  return modelType.toObject(modelType.decode(bytes), options) as DecodedModel;
}
