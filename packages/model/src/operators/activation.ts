import * as tf from "@tensorflow/tfjs-core";
import { runUnaryOperator } from "./operator.js";

export const siluKernel = "RetakeSilu";
export const geluKernel = "RetakeGelu";

/**
 * The sigmoid-weighted linear unit.
 *
 *     silu(x) = x sigmoid(scale x)
 *
 * @param x      any shape, float32
 * @param scale  1 is SiLU; 1.702 is the quick-GELU of CLIP
 * @returns      the shape of `x`; the caller disposes it
 * @source Elfwing et al. 2017, arXiv:1702.03118;
 *         Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2
 */
export function silu(x: tf.Tensor, scale = 1): tf.Tensor {
  return runUnaryOperator(siluKernel, { x }, { scale }, () =>
    tf.mul(x, tf.sigmoid(scale === 1 ? x : tf.mul(x, scale))),
  );
}

tf.registerGradient({
  kernelName: siluKernel,
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradFunc: (dy, saved, attributes) => {
    const [x, y] = saved;
    if (Array.isArray(dy) || x === undefined || y === undefined) {
      throw new TypeError("silu: expected one output and what was saved");
    }
    const scale = Number(attributes.scale);
    return {
      // d/dx x s(ax) = s + a x s (1 - s) = s + a (y - y s)
      x: () => {
        const s = tf.sigmoid(scale === 1 ? x : tf.mul(x, scale));
        const rest = tf.sub(y, tf.mul(y, s));
        return tf.mul(dy, tf.add(s, scale === 1 ? rest : tf.mul(rest, scale)));
      },
    };
  },
});

/**
 * The Gaussian error linear unit, with the exact error function.
 *
 *     gelu(x) = x Phi(x) = x (1 + erf(x / sqrt 2)) / 2
 *
 * @param x  any shape, float32
 * @returns  the shape of `x`; the caller disposes it
 * @source Hendrycks & Gimpel 2016, arXiv:1606.08415
 */
export function gelu(x: tf.Tensor): tf.Tensor {
  return runUnaryOperator(geluKernel, { x }, {}, () =>
    tf.mul(x, tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5)),
  );
}

tf.registerGradient({
  kernelName: geluKernel,
  inputsToSave: ["x"],
  gradFunc: (dy, saved) => {
    const [x] = saved;
    if (Array.isArray(dy) || x === undefined) {
      throw new TypeError("gelu: expected one output and its saved input");
    }
    return {
      // d/dx x Phi(x) = Phi(x) + x phi(x)
      x: () => {
        const phi = tf.mul(tf.exp(tf.mul(tf.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        const Phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
        return tf.mul(dy, tf.add(Phi, tf.mul(x, phi)));
      },
    };
  },
});
