import type * as ort from "onnxruntime-node";
import { hidesShapes, type OnnxEngineName, type SessionTerms } from "./onnx-session.js";

/**
 * What ONNX Runtime's optimizer leaves to our compiler: all but folding constants and blocking
 * convolutions. All of it would take three times as long to open a program, for 3 % of its time;
 * would undo recomputing, which it takes for the same work done twice; and would fuse what one
 * setting for memory computes once and the other twice, so that their bits would part.
 */
const leftOut = [
  ...["Level1_RuleBasedTransformer", "Level2_RuleBasedTransformer", "Level3_RuleBasedTransformer"],
  ...["CommonSubexpressionElimination", "ConstantSharing", "TransposeOptimizer"],
  ...["DoubleQDQPairsRemover", "PropagateCastOps", "MatMulAddFusion", "ReshapeFusion"],
  ...["FreeDimensionOverrideTransformer", "GeluFusionL1", "GeluFusionL2", "LayerNormFusionL1"],
  ...["LayerNormFusionL2", "SimplifiedLayerNormFusion", "AttentionFusion", "EmbedLayerNormFusion"],
  ...["GatherSliceToSplitFusion", "GatherToSliceFusion", "BiasDropoutFusion", "BiasSoftmaxFusion"],
  ...["MatmulTransposeFusion", "BiasGeluFusion", "SkipLayerNormFusion", "BiasSkipLayerNormFusion"],
  ...["FastGeluFusion", "QuickGeluFusion", "GroupQueryAttentionFusion", "MatMulScaleFusion"],
  ...["GroupQueryAttentionPreNormFusion", "MatMulActivationFusion", "MatMulNBitsFusion"],
  ...["MatMulNBitsMlpFusion", "MatMulNBitsQkvFusion", "GemmActivationFusion"],
  ...["ConvActivationFusion", "ConvAddActivationFusion", "LabelEncoderFusion"],
  ...["DynamicQuantizeMatMulFusion", "MatMulIntegerToFloatFusion", "QDQPropagationTransformer"],
  ...["QDQSelectorActionTransformer", "QDQS8ToU8Transformer", "QDQFinalCleanupTransformer"],
  ...["NhwcTransformer", "Avx2WeightS8ToU8Transformer", "PadFusion", "CastChainElimination"],
];

/**
 * Whether convolutions of a backward pass run on blocked copies of their weights: on the CPU, for
 * tiny networks. Opening a program takes a quarter of a second longer then, until it is kept.
 */
export function blocksBackwardPass(
  name: OnnxEngineName,
  { weightBytes, isForward }: Pick<SessionTerms, "weightBytes" | "isForward">,
): boolean {
  return name === "onnx-cpu" && !isForward && !hidesShapes(name, weightBytes);
}

/** A session's options, changed so that convolutions are blocked. */
export function withBlockedConvolutions(
  options: ort.InferenceSession.SessionOptions,
): ort.InferenceSession.SessionOptions {
  const optimization = { disable_specified_optimizers: leftOut.join(";") };
  return {
    ...options,
    graphOptimizationLevel: "all",
    extra: { ...options.extra, optimization },
  };
}
