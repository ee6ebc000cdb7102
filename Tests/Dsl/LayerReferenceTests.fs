module CnnCluster.Tests.Dsl.LayerReferenceTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.WindowCases

[<Tests>]
let references =
    testList
        "Dsl.Layers references"
        [ property "conv is the sum over its window" (genWindow false) (fun case ->
              let layer =
                  $"conv {case.Filters} {settings case} dilation={list case.Geometry.Dilation} groups={case.Groups} bias-init=normal"

              agrees layer case (fun x weights ->
                  convolve case.Geometry case.Groups x (ofTensor weights[0]) (ofTensor weights[1])))
          test "conv over a pixel that its window does not reach is the bias" {
              scope (fun () ->
                  let _, _, tensors, _, y =
                      run "input 1x1x3\nconv 2 2x2 stride=3 pad=[2 1; 2 1] bias-init=normal" false 4L

                  let bias = values tensors.Weights[1]
                  Expect.sequenceEqual (values y) (Array.concat (Array.replicate 4 bias)) "each sample's output")
          }
          property "maxpool is the greatest element of its window" (genWindow true) (fun case ->
              agrees $"maxpool {settings case}" case (fun x _ -> pool case.Geometry List.max x))
          property "avgpool is the mean of its window, padding not counted" (genWindow true) (fun case ->
              agrees $"avgpool {settings case}" case (fun x _ -> pool case.Geometry List.average x))
          property "avgpool with count-pad is the window's sum over all its elements" (genWindow true) (fun case ->
              let area = case.Geometry.Kernel |> List.fold (*) 1 |> float

              agrees $"avgpool {settings case} count-pad" case (fun x _ ->
                  pool case.Geometry (fun elements -> List.sum elements / area) x))
          test "dense is a matrix product" {
              scope (fun () ->
                  let _, _, tensors, x, y = run "input 7\ndense 5 bias-init=normal" false 3L

                  let expected =
                      dense (ofTensor x) (ofTensor tensors.Weights[0]) (ofTensor tensors.Weights[1])

                  Expect.isLessThan (distance expected.Data (values y)) 1e-14 "output")
          }
          test "flatten keeps the order channel, height, width" {
              scope (fun () ->
                  let _, _, _, x, y = run "input 2x3x4\nflatten" false 2L
                  Expect.sequenceEqual (values y) (values x) "elements")
          }
          for body in
              [ "input 4\nbatchnorm"
                "input 5x3\nbatchnorm momentum=0.9"
                "input 3x4x2\nbatchnorm"
                "input 2x3x2x2\nbatchnorm" ] do
              test $"{body.Replace('\n', ';')}: training takes the batch's statistics and remembers them" {
                  scope (fun () ->
                      let _, _, tensors, x, y = run body true 4L
                      let statistics = channelStatistics (ofTensor x)

                      Expect.isLessThan
                          (distance (normalise 1e-3 statistics (ofTensor x)).Data (values y))
                          1e-12
                          "output"

                      let keep = if body.Contains "0.9" then 0.9 else 0.99
                      let means = [| for mean, _ in statistics -> (1.0 - keep) * mean |]

                      let variances =
                          [| for _, variance in statistics -> keep + (1.0 - keep) * variance |]

                      Expect.isLessThan (distance means (values tensors.NextBuffers[0])) 1e-12 "running mean"
                      Expect.isLessThan (distance variances (values tensors.NextBuffers[1])) 1e-12 "running variance"

                      Expect.sequenceEqual
                          (values tensors.Buffers[0])
                          (Array.zeroCreate means.Length)
                          "not before the step is committed")
              }

              test $"{body.Replace('\n', ';')}: inference takes the running statistics" {
                  scope (fun () ->
                      let plan = planOf body
                      let network, tensors = networkOf plan 3UL
                      network.Step <- step false 4L
                      tensors.Buffers[0].fill_(Scalars.Of 0.5) |> ignore
                      tensors.Buffers[1].fill_(Scalars.Of 4.0) |> ignore
                      let x = samples plan 4
                      let statistics = Array.create plan.OutputShape.Channels (0.5, 4.0)

                      Expect.isLessThan
                          (distance (normalise 1e-3 statistics (ofTensor x)).Data (values (network.forward x)))
                          1e-12
                          "output")
              }
          test "dropout's mask is a function of seed, path, step and sample" {
              scope (fun () ->
                  let plan = planOf "input 3x3x2\ndropout 0.3"
                  let network, _ = networkOf plan 1UL
                  let context = step true 3L
                  context.Step <- 11L
                  context.FirstSample <- 5L
                  network.Step <- context
                  let x = samples plan 3
                  let words = Array.zeroCreate<uint32> 18

                  let expected =
                      [| for n in 0..2 do
                             CounterRandom.Fill(
                                 RandomKey.Of(7UL, RandomPurpose.Dropout, "dropout1"),
                                 CounterRandom.Row(11L, 5L + int64 n),
                                 words.AsSpan()
                             )

                             for i in 0..17 do
                                 let kept = float words[i] / 4294967296.0 >= 0.3
                                 if kept then (values x)[n * 18 + i] / 0.7 else 0.0 |]

                  // The mask is kept as float32.
                  Expect.isLessThan (distance expected (values (network.forward x))) 1e-7 "output"
                  network.Step <- step false 3L
                  Expect.sequenceEqual (values (network.forward x)) (values x) "inference does nothing")
          }
          test "conv and pooling give PyTorch 1.13's numbers" {
              scope (fun () ->
                  let image =
                      torch
                          .tensor([| for i in 1..16 -> float i / 10.0 |], dtype = torch.float64)
                          .reshape(1L, 1L, 4L, 4L)

                  let network, tensors = networkOf (planOf "input 4x4x1\nconv 1 3x3 pad=1") 1UL

                  let kernel =
                      torch.tensor ([| 1.0; -2.0; 0.5; 0.25; 3.0; -1.0; 2.0; 0.0; -0.75 |], dtype = torch.float64)

                  tensors.Weights[0].copy_(kernel.reshape tensors.Weights[0].shape) |> ignore
                  tensors.Weights[1].fill_(Scalars.Of 0.1) |> ignore

                  let expected =
                      [| -0.25
                         0.9
                         1.25
                         2.775
                         0.15
                         2.15
                         2.45
                         4.375
                         0.05
                         3.35
                         3.65
                         6.075
                         1.3
                         2.575
                         2.75
                         3.975 |]

                  Expect.isLessThan (distance expected (values (network.forward image))) 1e-14 "conv"

                  let square =
                      torch.linspace(0.0, 24.0, 25L, dtype = torch.float64).reshape(1L, 1L, 5L, 5L)

                  let pooled layer =
                      values ((fst (networkOf (planOf $"input 5x5x1\n{layer} 2x2 ceil") 1UL)).forward square)

                  Expect.sequenceEqual
                      (pooled "maxpool")
                      [ 6.0; 8.0; 9.0; 16.0; 18.0; 19.0; 21.0; 23.0; 24.0 ]
                      "maxpool"

                  Expect.sequenceEqual
                      (pooled "avgpool")
                      [ 3.0; 5.0; 6.5; 13.0; 15.0; 16.5; 20.5; 22.5; 24.0 ]
                      "avgpool")
          }
          for side, kernel, stride, outputs in
              [ 5, 3, 2, 2; 4, 3, 2, 2; 7, 2, 3, 3; 6, 4, 3, 2; 4, 5, 2, 1; 3, 3, 3, 1 ] do
              test $"with ceil, a side of {side} under {kernel} by {stride} has PyTorch's {outputs} outputs" {
                  scope (fun () ->
                      let plan, _, _, _, y =
                          run $"input {side}x1\nmaxpool {kernel} stride={stride} ceil" false 1L

                      Expect.equal (Shape.text plan.OutputShape) $"{outputs}x1" "plan"
                      Expect.equal (y.size 2) (int64 outputs) "tensor")
              } ]
