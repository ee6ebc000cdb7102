module CnnCluster.Tests.Dsl.ActivationTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks

let private sigmoid x = 1.0 / (1.0 + exp -x)
let private softplus x = log (1.0 + exp x)
let private hardsigmoid x = min 1.0 (max 0.0 (x / 6.0 + 0.5))

/// Each activation of one element; those over channels stand below.
let private formulas: Map<string, float -> float> =
    Map
        [ "linear", id
          "relu", max 0.0
          "relu6", max 0.0 >> min 6.0
          "leakyrelu", (fun x -> if x > 0.0 then x else 0.3 * x)
          "elu", (fun x -> if x > 0.0 then x else exp x - 1.0)
          "selu", (fun x -> 1.0507009873554805 * (if x > 0.0 then x else 1.6732632423543772 * (exp x - 1.0)))
          "silu", (fun x -> x * sigmoid x)
          "swish", (fun x -> x * sigmoid x)
          "mish", (fun x -> x * tanh (softplus x))
          "softplus", softplus
          "softsign", (fun x -> x / (1.0 + abs x))
          "tanh", tanh
          "sigmoid", sigmoid
          "hardsigmoid", hardsigmoid
          "hardswish", (fun x -> x * hardsigmoid x)
          "exponential", exp
          "celu", (fun x -> if x > 0.0 then x else exp x - 1.0)
          "hardtanh", max -1.0 >> min 1.0
          "hardshrink", (fun x -> if abs x > 0.5 then x else 0.0)
          "softshrink", (fun x -> float (sign x) * max 0.0 (abs x - 0.5))
          "tanhshrink", (fun x -> x - tanh x)
          "logsigmoid", (fun x -> log (sigmoid x))
          "squareplus", (fun x -> (x + sqrt (x * x + 4.0)) / 2.0)
          "sparsesigmoid", (fun x -> min 1.0 (max 0.0 ((x + 1.0) / 2.0)))
          "sparseplus",
          (fun x ->
              if x <= -1.0 then 0.0
              elif x < 1.0 then (x + 1.0) ** 2.0 / 4.0
              else x) ]

/// Where an activation has two slopes, and the one that Keras 3 takes; PyTorch has the same, but for hardswish's.
let private corners =
    [ "relu", [ 0.0, 0.0 ]
      "relu6", [ 0.0, 0.0; 6.0, 0.0 ]
      "leakyrelu", [ 0.0, 0.3 ]
      "elu", [ 0.0, 1.0 ]
      "celu", [ 0.0, 1.0 ]
      "hardsigmoid", [ -3.0, 0.0; 3.0, 0.0 ]
      "hardswish", [ -3.0, 0.0; 3.0, 1.0 ]
      "hardtanh", [ -1.0, 0.0; 1.0, 0.0 ]
      "softshrink", [ -0.5, 0.0; 0.5, 0.0 ]
      "sparsesigmoid", [ -1.0, 0.0; 1.0, 0.0 ]
      "sparseplus", [ -1.0, 0.0; 1.0, 1.0 ] ]

let private points = [| -4.0; -3.0; -1.0; -0.5; 0.0; 0.5; 1.0; 3.0; 7.0 |]

/// PyTorch 1.13 at these points.
let private constants =
    [ "gelu",
      [| -0.00012668496733247991
         -0.00404969409489031
         -0.15865525393145702
         -0.15426876936299344
         0.0
         0.34573123063700656
         0.841344746068543
         2.99595030590511
         6.999999999991041 |]
      "mish",
      [| -0.07259174079202535
         -0.1456474612756246
         -0.30340146137410895
         -0.22074377465173
         0.0
         0.37524521130489513
         0.8650983882673103
         2.9865350049679575
         6.999988379809741 |]
      "selu",
      [| -1.7258986281898945
         -1.6705687287671118
         -1.1113307378125625
         -0.6917581878028713
         0.0
         0.5253504936777402
         1.0507009873554805
         3.1521029620664414
         7.354906911488364 |] ]

let private definition name =
    Activation.all |> List.find (fun a -> a.Name = name)

let private apply (definition: ActivationDefinition) (x: torch.Tensor) =
    definition.Apply [ for argument in definition.Arguments -> argument.Default ] x

let private row (numbers: float[]) =
    torch.tensor(numbers, dtype = torch.float64).unsqueeze 0L

let private overChannels = [ "softmax"; "logsoftmax" ]

[<Tests>]
let tests =
    testList
        "Dsl.Activations"
        [ for activation in Activation.all do
              if not (List.contains activation.Name overChannels || activation.Name = "gelu") then
                  test $"{activation.Name} is its formula" {
                      use _ = torch.NewDisposeScope()
                      let expected = Array.map formulas[activation.Name] points
                      Expect.isLessThan (distance expected (values (apply activation (row points)))) 1e-14 "values"
                  }
          for name, expected in constants do
              test $"{name} gives PyTorch 1.13's numbers" {
                  use _ = torch.NewDisposeScope()
                  Expect.isLessThan (distance expected (values (apply (definition name) (row points)))) 1e-13 "values"
              }
          test "softmax shares 1 out over the channels, at each pixel" {
              use _ = torch.NewDisposeScope()
              let x = samples (planOf "input 2x2x3") 2
              let plain = ofTensor x

              let expected =
                  tabulate plain.Dims (fun place ->
                      let weight channel =
                          exp (at plain (List.updateAt 1 channel place))

                      weight place[1] / (weight 0 + weight 1 + weight 2))

              Expect.isLessThan (distance expected.Data (values (apply (definition "softmax") x))) 1e-14 "softmax"

              Expect.isLessThan
                  (distance (Array.map log expected.Data) (values (apply (definition "logsoftmax") x)))
                  1e-14
                  "logsoftmax"
          }
          for name, slopes in corners do
              test $"{name} has Keras' slope at its corners" {
                  use _ = torch.NewDisposeScope()
                  let x = (row (List.toArray (List.map fst slopes))).requires_grad_ true
                  (apply (definition name) x).sum().backward()
                  Expect.equal (List.ofArray (values x.grad)) (List.map snd slopes) "left or right of the corner"
              }
          test "an argument in parentheses takes the default's place" {
              use _ = torch.NewDisposeScope()
              let network, _ = networkOf (planOf "input 1\nleakyrelu(0.1)\nelu(2)") 1UL

              let y =
                  network.forward (torch.tensor([| -1.0 |], dtype = torch.float64).reshape(1L, 1L))

              Expect.floatClose Accuracy.high (y.item<float>()) (2.0 * (exp -0.1 - 1.0)) "value"
          }
          for script, expected in
              [ "celu(2)", 2.0 * (exp -0.5 - 1.0)
                "hardshrink(1)", 0.0
                "softshrink(0.75)", -0.25
                "squareplus(3)", 0.5 ] do
              test $"at -1, {script} is its formula" {
                  use _ = torch.NewDisposeScope()
                  let network, _ = networkOf (planOf $"input 1\n{script}") 1UL

                  let y =
                      network.forward (torch.tensor([| -1.0 |], dtype = torch.float64).reshape(1L, 1L))

                  Expect.floatClose Accuracy.high (y.item<float>()) expected "value"
              } ]
