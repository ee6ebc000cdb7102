module CnnCluster.Tests.Dsl.InitialiserTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private fans = { In = 50.0; Out = 30.0 }
let private count = 20000

let private draw name arguments seed =
    let definition = Initialiser.all |> List.find (fun i -> i.Name = name)
    let key = RandomKey.Of(seed, RandomPurpose.InitialWeights, "conv1/kernel")

    let initialiser =
        definition.Create(
            if List.isEmpty arguments then
                [ for argument in definition.Arguments -> argument.Default ]
            else
                arguments
        )

    Array.init count (fun i -> Initialiser.value initialiser fans key (uint64 i))

let private variance (numbers: float[]) =
    let mean = Array.average numbers
    numbers |> Array.averageBy (fun v -> (v - mean) ** 2.0)

/// Name, arguments, mean, variance, and the bound that no value passes.
let private laws =
    let glorot = 2.0 / (fans.In + fans.Out)
    let uniform variance = sqrt (3.0 * variance)
    // A normal law cut off at ±2 has this much of its deviation left.
    let cut variance =
        2.0 * sqrt variance / 0.87962566103423978

    [ "glorot", [], 0.0, glorot, uniform glorot
      "glorot-uniform", [], 0.0, glorot, uniform glorot
      "glorot-normal", [], 0.0, glorot, cut glorot
      "he", [], 0.0, 2.0 / fans.In, cut (2.0 / fans.In)
      "he-normal", [], 0.0, 2.0 / fans.In, cut (2.0 / fans.In)
      "he-uniform", [], 0.0, 2.0 / fans.In, sqrt (6.0 / fans.In)
      "lecun", [], 0.0, 1.0 / fans.In, cut (1.0 / fans.In)
      "lecun-normal", [], 0.0, 1.0 / fans.In, cut (1.0 / fans.In)
      "lecun-uniform", [], 0.0, 1.0 / fans.In, sqrt (3.0 / fans.In)
      "zeros", [], 0.0, 0.0, 0.0
      "ones", [], 1.0, 0.0, 1.0
      "constant", [ 0.25 ], 0.25, 0.0, 0.25
      "uniform", [], 0.0, 0.01 / 12.0, 0.05
      "uniform", [ 1.0; 3.0 ], 2.0, 4.0 / 12.0, 3.0
      "normal", [], 0.0, 0.0025, infinity
      "normal", [ 2.0; 0.5 ], 2.0, 0.25, infinity
      "truncated-normal", [ 0.0; 1.0 ], 0.0, 0.7737413035, 2.0 ]

[<Tests>]
let tests =
    testList
        "Dsl.Initialisers"
        [ test "every initialiser has its law here" {
              let known = laws |> List.map (fun (name, _, _, _, _) -> name)

              Expect.isEmpty
                  (Initialiser.all |> List.filter (fun i -> not (List.contains i.Name known)))
                  "without a law"
          }
          for name, arguments, mean, expected, bound in laws do
              test $"{name} {arguments}: mean, variance and bound" {
                  let numbers = draw name arguments 1UL
                  // Five standard errors of the mean; the variance's own error is below two percent.
                  Expect.isLessThan
                      (abs (Array.average numbers - mean))
                      (5.0 * sqrt (expected / float count) + 1e-12)
                      "mean"

                  Expect.isLessThan (abs (variance numbers - expected)) (0.05 * expected + 1e-24) "variance"
                  Expect.isLessThanOrEqual (numbers |> Array.map abs |> greatest) (bound + 1e-12) "bound"
              }
          test "values are a function of the seed" {
              Expect.sequenceEqual (draw "he" [] 4UL) (draw "he" [] 4UL) "the same seed"
              Expect.isFalse (draw "he" [] 4UL = draw "he" [] 5UL) "another seed"
          }
          test "values are a function of the path, not of what stands around it" {
              use _ = torch.NewDisposeScope()
              let alone, _ = networkOf (planOf "input 8x8x1\nconv 4 3x3") 9UL

              let among, tensors =
                  networkOf (planOf "input 8x8x1\nbatchnorm\nconv 4 3x3\nconv 4 3x3") 9UL

              ignore among
              let first = alone.parameters () |> Seq.head
              Expect.sequenceEqual (values first) (values tensors.Weights[2]) "conv1"
              Expect.isFalse (values tensors.Weights[2] = values tensors.Weights[4]) "conv2 has values of its own"
          }
          test "float32 weights are the float64 ones, rounded" {
              use _ = torch.NewDisposeScope()
              let plan = planOf "input 8x8x1\nconv 4 3x3 kernel-init=he bias-init=normal"
              use double = NetworkModule.Create(plan, 2UL, torch.float64, torch.CPU)
              use single = NetworkModule.Create(plan, 2UL, torch.float32, torch.CPU)

              for d, s in Seq.zip (double.parameters ()) (single.parameters ()) do
                  Expect.sequenceEqual (s.data<float32>().ToArray()) (Array.map float32 (values d)) "weights"
          } ]
