import protobuf from "protobufjs";

const int64 = "int64";

/** What Retake writes of onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
const schema = protobuf.Root.fromJSON({
  nested: {
    onnx: {
      nested: {
        AttributeProto: {
          fields: {
            name: { type: "string", id: 1 },
            f: { type: "float", id: 2 },
            i: { type: int64, id: 3 },
            s: { type: "bytes", id: 4 },
            ints: { rule: "repeated", type: int64, id: 8, options: { packed: false } },
            type: { type: "int32", id: 20 },
          },
        },
        NodeProto: {
          fields: {
            input: { rule: "repeated", type: "string", id: 1 },
            output: { rule: "repeated", type: "string", id: 2 },
            name: { type: "string", id: 3 },
            opType: { type: "string", id: 4 },
            attribute: { rule: "repeated", type: "AttributeProto", id: 5 },
            domain: { type: "string", id: 7 },
          },
        },
        StringStringEntryProto: {
          fields: { key: { type: "string", id: 1 }, value: { type: "string", id: 2 } },
        },
        TensorProto: {
          fields: {
            dims: { rule: "repeated", type: int64, id: 1, options: { packed: false } },
            dataType: { type: "int32", id: 2 },
            name: { type: "string", id: 8 },
            rawData: { type: "bytes", id: 9 },
            externalData: { rule: "repeated", type: "StringStringEntryProto", id: 13 },
            dataLocation: { type: "int32", id: 14 },
          },
        },
        Dimension: { fields: { dimValue: { type: int64, id: 1 } } },
        TensorShapeProto: { fields: { dim: { rule: "repeated", type: "Dimension", id: 1 } } },
        TensorTypeProto: {
          fields: {
            elemType: { type: "int32", id: 1 },
            shape: { type: "TensorShapeProto", id: 2 },
          },
        },
        TypeProto: { fields: { tensorType: { type: "TensorTypeProto", id: 1 } } },
        ValueInfoProto: {
          fields: { name: { type: "string", id: 1 }, type: { type: "TypeProto", id: 2 } },
        },
        GraphProto: {
          fields: {
            node: { rule: "repeated", type: "NodeProto", id: 1 },
            name: { type: "string", id: 2 },
            initializer: { rule: "repeated", type: "TensorProto", id: 5 },
            input: { rule: "repeated", type: "ValueInfoProto", id: 11 },
            output: { rule: "repeated", type: "ValueInfoProto", id: 12 },
          },
        },
        OperatorSetIdProto: {
          fields: { domain: { type: "string", id: 1 }, version: { type: int64, id: 2 } },
        },
        ModelProto: {
          fields: {
            irVersion: { type: int64, id: 1 },
            producerName: { type: "string", id: 2 },
            graph: { type: "GraphProto", id: 7 },
            opsetImport: { rule: "repeated", type: "OperatorSetIdProto", id: 8 },
          },
        },
      },
    },
  },
});

export const modelType = schema.lookupType("onnx.ModelProto");

export type OnnxAttribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export type OnnxTensor = {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
} & (
  | { readonly rawData: Uint8Array }
  | { readonly location: string; readonly offset: number; readonly length: number }
);

export interface OnnxValueInfo {
  readonly name: string;
  /** Undefined where not even the rank is told. */
  readonly dims: readonly number[] | undefined;
  readonly dataType: number;
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

/** ONNX's numbers for element types. */
export const onnxTypes = { float32: 1, int32: 6, int64: 7 } as const;

const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;

function attributeProto([name, value]: [string, OnnxAttribute]): object {
  if (typeof value === "number") return { name, i: value, type: attributeTypes.int };
  if (typeof value === "string") {
    return { name, s: new TextEncoder().encode(value), type: attributeTypes.string };
  }
  if ("float" in value) return { name, f: value.float, type: attributeTypes.float };
  return { name, ints: [...value], type: attributeTypes.ints };
}

function tensorProto(tensor: OnnxTensor): object {
  const { name, dims, dataType } = tensor;
  if ("rawData" in tensor) return { name, dims, dataType, rawData: tensor.rawData };
  const externalData = [
    { key: "location", value: tensor.location },
    { key: "offset", value: String(tensor.offset) },
    { key: "length", value: String(tensor.length) },
  ];
  return { name, dims, dataType, externalData, dataLocation: 1 };
}

function valueInfoProto({ name, dims, dataType }: OnnxValueInfo): object {
  const shape = dims === undefined ? undefined : { dim: dims.map((dimValue) => ({ dimValue })) };
  return { name, type: { tensorType: { elemType: dataType, shape } } };
}

/** Encodes a model: IR version 9, operator set 18, and ONNX Runtime's contributed operators. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array {
  const model = {
    irVersion: 9,
    producerName: "retake",
    opsetImport: [
      { domain: "", version: 18 },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "program",
      node: graph.nodes.map(({ attributes, ...node }) => ({
        ...node,
        attribute: Object.entries(attributes).map(attributeProto),
      })),
      initializer: graph.initializers.map(tensorProto),
      input: graph.inputs.map(valueInfoProto),
      output: graph.outputs.map(valueInfoProto),
    },
  };
  return modelType.encode(modelType.fromObject(model)).finish();
}
