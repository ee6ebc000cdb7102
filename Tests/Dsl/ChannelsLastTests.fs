/// In float32 a convolution of many filters puts its channels side by side, and what follows takes them so. In float64
/// nothing does: both must compute the same.
module CnnCluster.Tests.Dsl.ChannelsLastTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Layers
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

/// The output, and the gradient of the input and of each weight, for a loss that weighs every element by itself.
let private computed (plan: NetworkPlan) (dtype: torch.ScalarType) training =
    use network = NetworkModule.Create(plan, 3UL, dtype, torch.CPU)
    network.Step <- step training 5L
    let x = (samples plan 5).``to``(dtype).requires_grad_ true
    let output = network.forward x
    (output.``to`` torch.float64 * scores output).sum().backward()

    [ "output", output
      "input's gradient", x.grad
      for struct (name, parameter) in network.named_parameters () do
          name, parameter.grad ]
    |> List.map (fun (name, tensor) -> name, values (tensor.``to`` torch.float64))

let private norm (values: float[]) =
    sqrt (Array.sumBy (fun value -> value * value) values)

let private behind =
    [ for layer in ChannelsLast.layers do
          for training in [ false; true ] do
              test $"{layer}: the same from channels side by side, training {training}" {
                  use _ = torch.NewDisposeScope()
                  let plan = planOf (ChannelsLast.behindConvolution layer)

                  for (name, expected), (_, actual) in
                      List.zip (computed plan torch.float64 training) (computed plan torch.float32 training) do
                      let difference = Array.map2 (-) expected actual
                      // Of weights whose gradients are sums of opposites, few digits are left.
                      Expect.isLessThan (norm difference) (1e-5 * norm expected + 1e-9) name
              } ]

let private order body =
    use network = NetworkModule.Create(planOf body, 3UL, torch.float32, torch.CPU)
    network.Step <- step false 2L
    ChannelOrder.IsChannelsLast(network.forward ((samples network.Plan 2).``to`` torch.float32))

[<Tests>]
let all =
    testList
        "Dsl.Layers channels side by side"
        [ testList "layers behind them" behind
          test "a convolution of 16 filters and 64 pixels puts them so, and what follows keeps them" {
              use _ = torch.NewDisposeScope()

              for body in
                  [ "input 8x8x3\nconv 16 3 pad=1"
                    "input 16x16x3\nconv 16 3 stride=2 pad=1 relu"
                    "input 8x8x3\nconv 16 3 pad=1\nbatchnorm relu\nmaxpool 2x2" ] do
                  Expect.isTrue (order body) body

              for body in
                  [ "input 8x8x3\nconv 15 3 pad=1"
                    "input 7x9x3\nconv 16 3 pad=1"
                    "input 8x8x16\nconv 16 3 pad=1 groups=2" ] do
                  Expect.isFalse (order body) body
          } ]
