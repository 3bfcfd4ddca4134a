/*
 * Logarithm, exponential, sine and cosine from + - * / alone, so that they give the same bits on
 * every platform and Node version; `Math.log` and its like need not (`Math.pow` differs between
 * Node 22 and 24). Each reduces its range and sums the Taylor series of what is left.
 */

/** ln 2 in two parts: multiples of the first by integers below 2^20 are exact. */
const ln2Parts = [0.6931471803691238, 1.9082149292705877e-10] as const;
const ln2 = Math.LN2;
/** Half of pi in three such parts. */
const halfPiParts = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21] as const;
const twoOverPi = 2 / Math.PI;
const squareRootOfHalf = Math.SQRT1_2;

/** Largest absolute argument of `sineAndCosine`: above it the parts of pi would be too short. */
export const angleMax = 1e6;
/** Largest absolute argument of `exponential`: beyond it the result leaves the normal doubles. */
export const exponentMax = 700;

/** 2^-1022 ... 2^1023, exact, since halving and doubling are. */
const powersOfTwo = Float64Array.from({ length: 2046 }, (_, i) => {
  let power = 1;
  for (let exponent = i - 1022; exponent > 0; exponent -= 1) power *= 2;
  for (let exponent = i - 1022; exponent < 0; exponent += 1) power /= 2;
  return power;
});
const powerOfTwo = (exponent: number): number => powersOfTwo[exponent + 1022] ?? Number.NaN;

/** 1 / n! for n = 0 ... 18; the factorials up to 18! are exact. */
const inverseFactorials = Array.from({ length: 19 }, (_, n) => {
  let factorial = 1;
  for (let i = 2; i <= n; i += 1) factorial *= i;
  return 1 / factorial;
});
/** Coefficients in powers of r (exponential) or of r^2 (the others), highest power first. */
const exponentialSeries = inverseFactorials.slice(0, 15).reverse();
const cosineSeries = [16, 14, 12, 10, 8, 6, 4, 2, 0].map(
  (n) => (n % 4 === 0 ? 1 : -1) * (inverseFactorials[n] ?? 0),
);
const sineSeries = [17, 15, 13, 11, 9, 7, 5, 3, 1].map(
  (n) => (n % 4 === 1 ? 1 : -1) * (inverseFactorials[n] ?? 0),
);
const logarithmSeries = [23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1].map((n) => 1 / n);

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * x + coefficient;
  return sum;
}

/**
 * The natural logarithm of `(word + 0.5) / 2^32`, a uniform variate in the open interval (0, 1).
 *
 *     ln(2^e m) = e ln 2 + 2 s (1 + s^2/3 + s^4/5 + ...),  s = (m - 1) / (m + 1)
 *
 * Within 5e-16 relative of `Math.log` (measured on a million words and both ends).
 *
 * @param word  integer, 0 ... 2^32 - 1
 */
export function logarithmOfUniform(word: number): number {
  const bits = 32 - Math.clz32(word);
  let exponent = bits - 32;
  let mantissa = (word + 0.5) * powerOfTwo(-bits);
  if (mantissa < squareRootOfHalf) {
    mantissa *= 2;
    exponent -= 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  return exponent * ln2 + 2 * s * polynomial(logarithmSeries, s * s);
}

/**
 * e to the power of `x`.
 *
 *     e^x = 2^k e^r,  r = x - k ln 2,  |r| <= ln 2 / 2
 *
 * Within 4e-16 relative of `Math.exp` (measured). Infinite above `exponentMax`, zero below its
 * negative.
 */
export function exponential(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > exponentMax) return Number.POSITIVE_INFINITY;
  if (x < -exponentMax) return 0;
  const k = Math.round(x / ln2);
  const r = x - k * ln2Parts[0] - k * ln2Parts[1];
  return powerOfTwo(k) * polynomial(exponentialSeries, r);
}

/**
 * Sine and cosine of an angle in radians, at most `angleMax` either way; NaN beyond.
 *
 *     angle = k pi/2 + r,  |r| <= pi/4;  k mod 4 picks function and sign
 *
 * Within 3e-16 absolute of `Math.sin` and `Math.cos` (measured).
 */
export function sineAndCosine(angle: number): readonly [sine: number, cosine: number] {
  if (!(Math.abs(angle) <= angleMax)) return [Number.NaN, Number.NaN];
  const k = Math.round(angle * twoOverPi);
  const r = angle - k * halfPiParts[0] - k * halfPiParts[1] - k * halfPiParts[2];
  const square = r * r;
  const sine = r * polynomial(sineSeries, square);
  const cosine = polynomial(cosineSeries, square);
  switch (k & 3) {
    case 0:
      return [sine, cosine];
    case 1:
      return [cosine, -sine];
    case 2:
      return [-sine, -cosine];
    default:
      return [-cosine, sine];
  }
}
