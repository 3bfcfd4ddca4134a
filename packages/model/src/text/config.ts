/** What the CLIP text tower's shape depends on, read from `text_encoder/config.json`. */
export interface TextConfig {
  readonly vocabSize: number;
  readonly promptTokens: number;
  readonly width: number;
  readonly mlpWidth: number;
  readonly layers: number;
  readonly heads: number;
  readonly normEps: number;
  readonly activation: "quick_gelu" | "gelu";
}
