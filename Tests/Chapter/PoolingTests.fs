/// What the chapter says of pooling, with numbers that can be checked by eye.
module CnnCluster.Tests.Chapter.PoolingTests

open Expecto
open CnnCluster.Tests.Chapter.Networks

let private four =
    image [ [ 1.0; 3.0; 2.0; 0.0 ]; [ 5.0; 7.0; 4.0; 6.0 ]; [ 8.0; 2.0; 9.0; 1.0 ]; [ 0.0; 6.0; 3.0; 5.0 ] ]

/// All below zero: padding that counted would show.
let private five =
    image
        [ [ -4.0; -7.0; -1.0; -6.0; -3.0 ]
          [ -9.0; -2.0; -8.0; -5.0; -4.0 ]
          [ -6.0; -3.0; -7.0; -9.0; -2.0 ]
          [ -1.0; -8.0; -5.0; -4.0; -6.0 ]
          [ -7.0; -5.0; -9.0; -3.0; -8.0 ] ]

let private pooled layer sample =
    rows (outputOf $"input ?x?x1\n{layer}" sample)

[<Tests>]
let tests =
    testList
        "Chapter.pooling"
        [ test "average pooling, k = 2, s = 2, p = 0: the mean of each quarter" {
              // (1 + 3 + 5 + 7)/4, (2 + 0 + 4 + 6)/4; (8 + 2 + 0 + 6)/4, (9 + 1 + 3 + 5)/4
              Expect.equal (pooled "avgpool 2x2" four) [ [ 4.0; 3.0 ]; [ 4.0; 4.5 ] ] "means"
          }
          test "max pooling, k = 2, s = 2, of the same input: the greatest of each quarter" {
              Expect.equal (pooled "maxpool 2x2" four) [ [ 7.0; 6.0 ]; [ 8.0; 9.0 ] ] "maxima"
          }
          test "max pooling, k = 3, s = 2, p = 1: windows begin in the padding, which never wins" {
              // Rows 0-1, 1-3 and 3-4, columns alike: ⌊(5 − 3 + 2)/2⌋ + 1 = 3 of each.
              Expect.equal
                  (pooled "maxpool 3x3 stride=2 pad=1" five)
                  [ [ -2.0; -1.0; -3.0 ]; [ -1.0; -2.0; -2.0 ]; [ -1.0; -3.0; -3.0 ] ]
                  "maxima"
          }
          test "average pooling, k = 3, s = 2, p = 1: the padding is not counted" {
              // The corner's window holds four pixels: (−4 − 7 − 9 − 2)/4.
              Expect.floatClose Accuracy.veryHigh (pooled "avgpool 3x3 stride=2 pad=1" five).Head.Head -5.5 "the corner"
          }
          test "a window larger than its stride shows each maximum several times" {
              Expect.equal
                  (pooled "maxpool 3x3 stride=1" five)
                  [ [ -1.0; -1.0; -1.0 ]; [ -1.0; -2.0; -2.0 ]; [ -1.0; -3.0; -2.0 ] ]
                  "maxima"
          }
          test "every channel is pooled by itself" {
              let both = TorchSharp.torch.cat ([| four; -four |], 1L)
              let output = outputOf "input ?x?x2\nmaxpool 2x2" both
              Expect.equal (numbers output) [ 7.0; 6.0; 8.0; 9.0; -1.0; -0.0; -0.0; -1.0 ] "maxima of both"
          }
          test "pooling has no weights" {
              Expect.equal (described "input 8x8x3\nmaxpool 2x2\navgpool 2x2").Parameters 0L "none"
          }
          test "k = 2, s = 2 divides the work of what follows by four" {
              let work pooling =
                  (Seq.last (described $"input 32x48x8\n{pooling}conv 16 3x3 pad=same").Layers).MultiplyAdds.Value

              Expect.equal (work "") (4L * work "maxpool 2x2\n") "multiply-adds"
          } ]
