;; One AdamW update of a chunk, four values at a time: the loop of adamw.ts, operation by operation.
;; Both round every operation to float32 by IEEE 754, so that both give the same bits.
;; `npm run wasm` writes adamw-wasm.ts from this file.
(module
  ;; Four arrays of 16384 values, one behind the other: gradient, weights, first and second moment.
  (memory (export "memory") 4)

  ;; $bytes: how much of each array, more than 0; up to 12 bytes beyond it are written, too.
  (func (export "update") (param $bytes i32)
    (param $clip f32) (param $keep f32) (param $mixFirst f32) (param $keepSecond f32)
    (param $mixSecond f32) (param $stepSize f32) (param $rootOfCorrection f32) (param $epsilon f32)
    (local $at i32) (local $g v128) (local $m v128) (local $first v128) (local $second v128)
    (loop $next
      ;; g = gradient clip
      (local.set $g
        (f32x4.mul (v128.load offset=0 (local.get $at)) (f32x4.splat (local.get $clip))))
      ;; first = m + (g - m) mixFirst
      (local.set $m (v128.load offset=131072 (local.get $at)))
      (local.set $first
        (f32x4.add
          (local.get $m)
          (f32x4.mul
            (f32x4.sub (local.get $g) (local.get $m))
            (f32x4.splat (local.get $mixFirst)))))
      (v128.store offset=131072 (local.get $at) (local.get $first))
      ;; second = v keepSecond + (g g) mixSecond
      (local.set $second
        (f32x4.add
          (f32x4.mul
            (v128.load offset=196608 (local.get $at))
            (f32x4.splat (local.get $keepSecond)))
          (f32x4.mul
            (f32x4.mul (local.get $g) (local.get $g))
            (f32x4.splat (local.get $mixSecond)))))
      (v128.store offset=196608 (local.get $at) (local.get $second))
      ;; weight = weight keep - stepSize (first / (sqrt(second) / rootOfCorrection + epsilon))
      (v128.store offset=65536 (local.get $at)
        (f32x4.sub
          (f32x4.mul (v128.load offset=65536 (local.get $at)) (f32x4.splat (local.get $keep)))
          (f32x4.mul
            (f32x4.splat (local.get $stepSize))
            (f32x4.div
              (local.get $first)
              (f32x4.add
                (f32x4.div
                  (f32x4.sqrt (local.get $second))
                  (f32x4.splat (local.get $rootOfCorrection)))
                (f32x4.splat (local.get $epsilon)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $bytes))))))
