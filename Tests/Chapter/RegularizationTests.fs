/// What the chapter says of L1 and L2, of dropout, and of batch normalisation.
module CnnCluster.Tests.Chapter.RegularizationTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Kernels.Optimization

/// The arena that a network trains in, with its first weights.
let private arenaOf (plan: NetworkPlan) =
    let segments =
        [ for weight in plan.Weights -> ArenaSegment(weight.Name, weight.Shape, L1 = weight.L1, L2 = weight.L2) ]

    let _, tensors = Networks.networkOf plan 8UL

    let parameters =
        [ for weight in tensors.Weights do
              yield! values weight ]

    Arenas.arenaOf torch.ScalarType.Float64 Arenas.plain segments parameters (List.map (fun _ -> 0.0) parameters)

let private parameters (arena: ParameterArena) = Arenas.values arena.Parameters

/// A layer's weights after so many steps in which the loss of the samples has no slope: regularization alone acts.
let private after steps regularizer =
    use arena =
        arenaOf (Networks.planOf $"input 8\ndense 4 bias=no kernel-reg={regularizer}")

    let first = parameters arena
    let step = OptimizerStep(arena, Arenas.plain, null)

    for number in 1..steps do
        arena.ZeroGradients()
        step.Apply(int64 number, 0.1) |> ignore

    first, parameters arena

let private penalties =
    testList
        "penalties"
        [ test "each layer has its own, for kernel and bias apart, and they are listed" {
              let plan =
                  Networks.planOf
                      "input 28x28x1\nconv 6 5x5 kernel-reg=l2(0.01) bias-reg=l1(0.02)\nflatten\ndense 10 kernel-reg=elastic(0.1, 0.2)"

              Expect.equal
                  [ for weight in plan.Weights -> weight.Name, weight.L1, weight.L2 ]
                  [ "conv1/kernel", 0.0, 0.01
                    "conv1/bias", 0.02, 0.0
                    "dense1/kernel", 0.1, 0.2
                    "dense1/bias", 0.0, 0.0 ]
                  "factors"
          }
          test "L2 adds λ·ΣP², L1 adds λ·Σ|P|, over all layers" {
              use arena =
                  arenaOf (
                      Networks.planOf
                          "input 6\ndense 5 bias-init=normal kernel-reg=l2(0.01) bias-reg=l1(0.02)\ndense 3 kernel-reg=l1(0.3)"
                  )

              let sum index (of': float -> float) =
                  Arenas.values (arena.ParameterViews[index].reshape(-1L)) |> List.sumBy of'

              let expected = 0.01 * sum 0 (fun w -> w * w) + 0.02 * sum 1 abs + 0.3 * sum 2 abs

              Expect.floatClose Accuracy.high (Regularization.Loss arena) expected "losses"
          }
          test "L2 takes a share of each weight: large ones shrink most, none becomes zero" {
              let first, last = after 20 "l2(0.5)"
              // The slope of λP² is 2λP: a step leaves 1 − 2·0.1·0.5 of a weight.
              for before, now in List.zip first last do
                  Expect.floatClose Accuracy.high now (before * 0.9 ** 20.0) "share"

              Expect.isFalse (List.contains 0.0 last) "no zeros"
          }
          test "L1 takes the same from each weight: small ones become zero, and the weights sparse" {
              let first, last = after 20 "l1(0.1)"
              // The slope of λ|P| is ±λ: a step takes 0.1·0.1, and at zero it goes back and forth within that.
              for before, now in List.zip first last do
                  let left = max 0.0 (abs before - 0.2)
                  Expect.isLessThan (abs (abs now - left)) 0.0101 $"from {before}"

              let small = List.filter (fun w -> abs w < 0.0101) >> List.length
              let expected = first |> List.filter (fun w -> abs w < 0.2) |> List.length
              Expect.isGreaterThanOrEqual (small last) expected "zeros"
              Expect.isGreaterThan expected (small first + 5) "many more than before"
          } ]

/// A network's output in training or in inference, and its input.
let private run body training count =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let plan = Networks.planOf body
    let network, _ = Networks.networkOf plan 3UL
    network.Step <- Networks.step training (int64 count)
    let x = Networks.samples plan count
    values x, values (network.forward x)

let private dropout =
    testList
        "dropout"
        [ test "in training a share of 0.2 is dropped, and the others are scaled up to keep the mean" {
              let x, y = run "input 5000\ndropout 0.2" true 4

              for before, now in Array.zip x y do
                  if now <> 0.0 then
                      Expect.floatClose Accuracy.medium now (before / 0.8) "scaled"

              let dropped = y |> Array.filter ((=) 0.0) |> Array.length |> float
              // 20,000 draws: the deviation of the share is 0.003.
              Expect.isLessThan (abs (dropped / 20000.0 - 0.2)) 0.015 "share"
          }
          test "in inference it does nothing" {
              let x, y = run "input 5000\ndropout 0.2" false 4
              Expect.equal y x "the input"
          } ]

let private normalisation =
    testList
        "batch normalisation"
        [ test "in training: the batch's mean off, by its deviation, then a learned scale and shift" {
              use _ = torch.NewDisposeScope()
              use _ = torch.no_grad ()
              let plan = Networks.planOf "input 3\nbatchnorm epsilon=0"
              let network, tensors = Networks.networkOf plan 3UL
              let scale, shift = [ 2.0; -1.0; 0.5 ], [ 0.25; 10.0; -3.0 ]

              for tensor, numbers in [ tensors.Weights[0], scale; tensors.Weights[1], shift ] do
                  tensor.copy_ (torch.tensor (Array.ofList numbers)) |> ignore

              network.Step <- Networks.step true 7L
              let x = Networks.samples plan 7
              let y = network.forward x

              for channel in 0..2 do
                  let column (value: torch.Tensor) =
                      values (value.select (1L, int64 channel))

                  let mean = Array.average (column x)

                  let deviation = sqrt (Array.averageBy (fun v -> (v - mean) ** 2.0) (column x))

                  for v, normal in Array.zip (column x) (column y) do
                      let expected = scale[channel] * (v - mean) / deviation + shift[channel]
                      Expect.floatClose Accuracy.high normal expected $"channel {channel}"
          } ]

[<Tests>]
let tests = testList "Chapter.regularization" [ penalties; dropout; normalisation ]
