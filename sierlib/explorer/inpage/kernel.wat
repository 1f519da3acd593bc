;; Convolutions and dense layers, four pixels by eight filters at a time.
;;
;; Input: rows of pixels, channels last, already padded. Weights: blocks of eight filters (a last one
;; of four), in each block the taps of a filter one after the other, row by row, channels last.
;; Filters are a multiple of four; up to three pixels more than asked for are read and written.
(module
  (memory (import "page" "memory") 1)
  (func (export "convolve")
    (param $x i32) (param $weights i32) (param $bias i32) (param $y i32)
    (param $rows i32) (param $columns i32) (param $filters i32) ;; of the output
    (param $step i32) (param $down i32) ;; bytes of the input from a pixel, a row, to the next
    (param $taps i32) (param $line i32) ;; rows of a filter, bytes of the input from one to the next
    (param $run i32) ;; bytes of the input under one row of a filter
    (param $least f32) ;; 0 for a ReLU, minus infinity for none
    (local $filter i32) (local $row i32) (local $column i32) (local $tap i32) (local $width i32)
    (local $w i32) (local $p i32) (local $q i32) (local $r i32) (local $s i32) (local $end i32) (local $out i32)
    (local $floor v128) (local $start0 v128) (local $start1 v128) (local $w0 v128) (local $w1 v128) (local $v v128)
    (local $a0 v128) (local $a1 v128) (local $b0 v128) (local $b1 v128)
    (local $c0 v128) (local $c1 v128) (local $d0 v128) (local $d1 v128)
    (local.set $floor (f32x4.splat (local.get $least)))
    (local.set $width (i32.shl (local.get $filters) (i32.const 2))) ;; bytes of a pixel of the output
    (loop $block
      (local.set $start0 (v128.load (i32.add (local.get $bias) (i32.shl (local.get $filter) (i32.const 2)))))
      (local.set $start1 (v128.load offset=16 (i32.add (local.get $bias) (i32.shl (local.get $filter) (i32.const 2)))))
      (local.set $row (i32.const 0))
      (loop $down_rows
        (local.set $column (i32.const 0))
        (loop $across
          (local.set $w (local.get $weights))
          (local.set $tap (i32.const 0))
          (local.set $a0 (local.get $start0)) (local.set $b0 (local.get $start0))
          (local.set $c0 (local.get $start0)) (local.set $d0 (local.get $start0))
          (local.set $a1 (local.get $start1)) (local.set $b1 (local.get $start1))
          (local.set $c1 (local.get $start1)) (local.set $d1 (local.get $start1))
          (loop $over_taps
            (local.set $p (i32.add (local.get $x)
              (i32.add (i32.mul (local.get $row) (local.get $down))
                (i32.add (i32.mul (local.get $column) (local.get $step)) (i32.mul (local.get $tap) (local.get $line))))))
            (local.set $q (i32.add (local.get $p) (local.get $step)))
            (local.set $r (i32.add (local.get $q) (local.get $step)))
            (local.set $s (i32.add (local.get $r) (local.get $step)))
            (local.set $end (i32.add (local.get $p) (local.get $run)))
            (if (i32.gt_u (i32.sub (local.get $filters) (local.get $filter)) (i32.const 4))
              (then
                (loop $eight
                  (local.set $w0 (v128.load (local.get $w)))
                  (local.set $w1 (v128.load offset=16 (local.get $w)))
                  (local.set $v (v128.load32_splat (local.get $p)))
                  (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $v) (local.get $w0))))
                  (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $v) (local.get $w1))))
                  (local.set $v (v128.load32_splat (local.get $q)))
                  (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (local.get $v) (local.get $w0))))
                  (local.set $b1 (f32x4.add (local.get $b1) (f32x4.mul (local.get $v) (local.get $w1))))
                  (local.set $v (v128.load32_splat (local.get $r)))
                  (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (local.get $v) (local.get $w0))))
                  (local.set $c1 (f32x4.add (local.get $c1) (f32x4.mul (local.get $v) (local.get $w1))))
                  (local.set $v (v128.load32_splat (local.get $s)))
                  (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (local.get $v) (local.get $w0))))
                  (local.set $d1 (f32x4.add (local.get $d1) (f32x4.mul (local.get $v) (local.get $w1))))
                  (local.set $w (i32.add (local.get $w) (i32.const 32)))
                  (local.set $q (i32.add (local.get $q) (i32.const 4)))
                  (local.set $r (i32.add (local.get $r) (i32.const 4)))
                  (local.set $s (i32.add (local.get $s) (i32.const 4)))
                  (local.set $p (i32.add (local.get $p) (i32.const 4)))
                  (br_if $eight (i32.lt_u (local.get $p) (local.get $end)))))
              (else
                (loop $four
                  (local.set $w0 (v128.load (local.get $w)))
                  (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (v128.load32_splat (local.get $p)) (local.get $w0))))
                  (local.set $b0 (f32x4.add (local.get $b0) (f32x4.mul (v128.load32_splat (local.get $q)) (local.get $w0))))
                  (local.set $c0 (f32x4.add (local.get $c0) (f32x4.mul (v128.load32_splat (local.get $r)) (local.get $w0))))
                  (local.set $d0 (f32x4.add (local.get $d0) (f32x4.mul (v128.load32_splat (local.get $s)) (local.get $w0))))
                  (local.set $w (i32.add (local.get $w) (i32.const 16)))
                  (local.set $q (i32.add (local.get $q) (i32.const 4)))
                  (local.set $r (i32.add (local.get $r) (i32.const 4)))
                  (local.set $s (i32.add (local.get $s) (i32.const 4)))
                  (local.set $p (i32.add (local.get $p) (i32.const 4)))
                  (br_if $four (i32.lt_u (local.get $p) (local.get $end))))))
            (local.set $tap (i32.add (local.get $tap) (i32.const 1)))
            (br_if $over_taps (i32.lt_u (local.get $tap) (local.get $taps))))
          (local.set $out (i32.add (i32.add (local.get $y) (i32.shl (local.get $filter) (i32.const 2)))
            (i32.mul (local.get $width) (i32.add (i32.mul (local.get $row) (local.get $columns)) (local.get $column)))))
          (v128.store (local.get $out) (f32x4.max (local.get $a0) (local.get $floor)))
          (v128.store (i32.add (local.get $out) (local.get $width)) (f32x4.max (local.get $b0) (local.get $floor)))
          (v128.store (i32.add (local.get $out) (i32.shl (local.get $width) (i32.const 1))) (f32x4.max (local.get $c0) (local.get $floor)))
          (v128.store (i32.add (local.get $out) (i32.mul (local.get $width) (i32.const 3))) (f32x4.max (local.get $d0) (local.get $floor)))
          (if (i32.gt_u (i32.sub (local.get $filters) (local.get $filter)) (i32.const 4))
            (then
              (v128.store offset=16 (local.get $out) (f32x4.max (local.get $a1) (local.get $floor)))
              (v128.store offset=16 (i32.add (local.get $out) (local.get $width)) (f32x4.max (local.get $b1) (local.get $floor)))
              (v128.store offset=16 (i32.add (local.get $out) (i32.shl (local.get $width) (i32.const 1))) (f32x4.max (local.get $c1) (local.get $floor)))
              (v128.store offset=16 (i32.add (local.get $out) (i32.mul (local.get $width) (i32.const 3))) (f32x4.max (local.get $d1) (local.get $floor)))))
          (local.set $column (i32.add (local.get $column) (i32.const 4)))
          (br_if $across (i32.lt_u (local.get $column) (local.get $columns))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br_if $down_rows (i32.lt_u (local.get $row) (local.get $rows))))
      (local.set $weights (local.get $w))
      (local.set $filter (i32.add (local.get $filter) (i32.const 8)))
      (br_if $block (i32.lt_u (local.get $filter) (local.get $filters))))))
