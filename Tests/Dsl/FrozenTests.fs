/// Weights that are not trained: frozen layers and fixed kernels.
module CnnCluster.Tests.Dsl.FrozenTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Checks

[<Tests>]
let untrained =
    testList
        "Dsl.Checking frozen layers and fixed kernels"
        [ test "frozen layers keep weights that are not trained" {
              let plan =
                  plan (network "input 8x8x1\nconv 2 3 frozen\nbatchnorm frozen=yes\nflatten\ndense 3")

              Expect.equal (weights plan) [ "dense1/kernel"; "dense1/bias" ] "trained"

              Expect.equal
                  ([ for b in plan.Buffers -> b.Name ])
                  [ "conv1/kernel"
                    "conv1/bias"
                    "batchnorm1/scale"
                    "batchnorm1/shift"
                    "batchnorm1/mean"
                    "batchnorm1/variance" ]
                  "kept"

              Expect.equal (plan.Parameters, plan.Trainable) (int64 (20 + 4 + 219), 219L) "counts"
          }
          test "a frozen block freezes all in it" {
              let plan =
                  plan (
                      "block cell(n) { conv n 3; batchnorm }\n"
                      + network "input 8x8x4\ncell 4 frozen\nflatten\ndense 2"
                  )

              Expect.equal (weights plan) [ "dense1/kernel"; "dense1/bias" ] "trained"
          }
          test "a frozen convolution gets its first values like any other" {
              use a =
                  NetworkModule.Create(plan (network "input 8x8x1\nconv 2 3"), 5UL, torch.float64, torch.CPU)

              let b = plan (network "input 8x8x1\nconv 2 3 frozen")
              let x = torch.rand ([| 1L; 1L; 8L; 8L |], dtype = torch.float64)
              use b = NetworkModule.Create(b, 5UL, torch.float64, torch.CPU)
              Expect.equal (values (a.forward x)) (values (b.forward x)) "the same function"
          }
          test "a fixed kernel is not mirrored, and sums over the channels" {
              let plan = plan (network "input 3x3x2\nconv kernel=[1 2 3; 4 5 6; 7 8 9]/2")
              Expect.equal (plan.Parameters, plan.Trainable, Shape.text plan.OutputShape) (18L, 0L, "1x1x1") "plan"
              let x = tensor [ for i in 1..18 -> float i ] [ 1L; 2L; 3L; 3L ]

              let expected =
                  List.sum [ for i in 1..9 -> float i * (float i + float (i + 9)) / 2.0 ]

              Expect.equal (run plan [ x ] |> List.head |> snd) [| expected |] "cross-correlation"
          }
          test "named kernels: a Gaussian of size 3 is [1 2 1; 2 4 2; 1 2 1]/16" {
              let impulse =
                  tensor [ for i in 0..8 -> if i = 4 then 1.0 else 0.0 ] [ 1L; 1L; 3L; 3L ]

              let blurred =
                  run (plan (network "input 3x3x1\nconv kernel=gaussian pad=same")) [ impulse ]
                  |> List.head
                  |> snd

              Expect.isLessThan
                  (distance [| for v in [ 1; 2; 1; 2; 4; 2; 1; 2; 1 ] -> float v / 16.0 |] blurred)
                  1e-15
                  "binomial"
          }
          test "what a fixed kernel rules out is refused" {
              refused (network "input 8x8x1\nconv 1 3 kernel=edge") "size of its own"
              refused (network "input 8x8x1\nconv kernel=edge bias=yes") "no bias"
              refused (network "input 8x8x1\nconv kernel=[1 2; 3]") "equally long"
              refused (network "input 8x8x1\nconv kernel=egde") "no fixed kernel is called 'egde'"
          } ]
