/// Merges, blocks, shared sets, several inputs and outputs, frozen layers and fixed kernels.
module CnnCluster.Tests.Dsl.ExpansionTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.LayerReferences

let private network body = "network N {\n" + body + "\n}\n"
let private paths (plan: NetworkPlan) = [ for node in plan.Nodes -> node.Path ]

let private weights (plan: NetworkPlan) =
    [ for weight in plan.Weights -> weight.Name ]

let private messages text =
    [ for d in (Script.Check(source text, catalogues)).Diagnostics -> d.Message ]

let private refused text message =
    match messages text with
    | [ one ] -> Expect.stringContains one message text
    | several -> failtest $"{several} for {text}"

let private run (plan: NetworkPlan) inputs =
    use _ = torch.no_grad ()
    use network = NetworkModule.Create(plan, 3UL, torch.float64, torch.CPU)
    [ for output in network.Run(List.toArray inputs) -> [ for d in output.shape -> int d ], values output ]

let private tensor (data: float list) (dims: int64 list) =
    torch.tensor(Array.ofList data, dtype = torch.float64).reshape(Array.ofList dims)

[<Tests>]
let merges =
    testList
        "Dsl.Checking merges"
        [ test "a merge joins names, here and branches, each from the same value" {
              let plan =
                  plan (network "input 8x8x2 as start\nconv 2 3 pad=same\nadd start here { conv 2 1 } { } relu")

              Expect.equal (paths plan) [ "conv1"; "conv2"; "add1" ] "paths"

              Expect.equal
                  (List.last plan.Nodes).Inputs
                  [ FromInput 0; FromNode 0; FromNode 1; FromNode 0 ]
                  "operands in their order"

              Expect.equal (List.last plan.Nodes).Activation.Value.Definition.Name "relu" "activation"
          }
          test "what is named in a branch is not known behind it" {
              refused (network "input 8\nadd { dense 8 as x; from x } { }\nfrom x") "no value is called 'x'"
          }
          test "operands are computed as they say" {
              let x = tensor [ 1.0; 2.0; 3.0; -4.0 ] [ 1L; 4L ]

              let value word =
                  let plan = plan (network $"input 4 as x\nrelu as y\n{word} x y")
                  run plan [ x ] |> List.head |> snd |> List.ofArray

              Expect.equal (value "add") [ 2.0; 4.0; 6.0; -4.0 ] "add"
              Expect.equal (value "subtract") [ 0.0; 0.0; 0.0; -4.0 ] "subtract"
              Expect.equal (value "multiply") [ 1.0; 4.0; 9.0; 0.0 ] "multiply"
              Expect.equal (value "average") [ 1.0; 2.0; 3.0; -2.0 ] "average"
              Expect.equal (value "maximum") [ 1.0; 2.0; 3.0; 0.0 ] "maximum"
              Expect.equal (value "minimum") [ 1.0; 2.0; 3.0; -4.0 ] "minimum"
              Expect.equal (value "concat") [ 1.0; 2.0; 3.0; -4.0; 1.0; 2.0; 3.0; 0.0 ] "concat"
          }
          test "channels of 1 and sides of 1 are repeated, other differences refused" {
              let shape body =
                  Shape.text (plan (network body)).OutputShape

              Expect.equal (shape "input 8x8x4 as x\navgpool 8\nmultiply x here") "8x8x4" "gate"
              refused (network "input 8x8x4 as x\nconv 3 1\nadd x here") "'add' takes values of one shape"
              refused (network "input 8x8x4 as x\nconv 4 3\nconcat x here") "'concat' joins values of equal sides"
          }
          test "one operand is too few" { refused (network "input 8 as x\nadd x") "takes at least two values" } ]

let private bottleneck =
    "block cell(filters, stride = 1, act = relu) {\n"
    + "    as start\n    conv filters 3 stride=stride pad=1\n    batchnorm act\n"
    + "    if stride == 1 and start.channels == filters { add start here }\n}\n"

[<Tests>]
let blocks =
    testList
        "Dsl.Checking blocks"
        [ test "each use has layers and weights of its own, with paths below the use's" {
              let plan = plan (bottleneck + network "input 8x8x4\ncell 4\ncell 8 stride=2")

              Expect.equal
                  (paths plan)
                  [ "cell1/conv1"; "cell1/batchnorm1"; "cell1/add1"; "cell2/conv1"; "cell2/batchnorm1" ]
                  "paths"

              Expect.equal (Shape.text plan.OutputShape) "4x4x8" "shape"
          }
          test "a parameter may be a word, an activation with numbers, a size, a padding, a value or a flag" {
              let text =
                  "block b(size, edge, act, skip, down = no) {\n    conv 4 size pad=edge act\n    if down { maxpool }\n    concat skip here\n}\n"

              let plan =
                  plan (text + network "input 8x8x4 as x\nb 3x5 edge=same act=leakyrelu(0.1) skip=x")

              Expect.equal (Shape.text plan.OutputShape) "8x8x8" "shape"
              Expect.equal (Activation.text plan.Nodes.Head.Activation.Value) "leakyrelu(0.1)" "activation"

              let plan =
                  Scripts.plan (
                      text.Replace("concat skip here", "concat here here")
                      + network "input 8x8x4 as x\nb 3 1 act=elu skip=x down"
                  )

              Expect.equal (Shape.text plan.OutputShape) "4x4x8" "flag"
          }
          test "an activation behind a block is a layer behind it" {
              Expect.equal
                  (paths (plan (bottleneck + network "input 8x8x4\ncell 4 tanh")))
                  [ "cell1/conv1"; "cell1/batchnorm1"; "cell1/add1"; "tanh1" ]
                  "paths"
          }
          test "an error inside a block comes once, with the uses that led to it" {
              let text =
                  "block inner(n) { conv n 9 }\nblock outer(n) { inner n }\n"
                  + network "input 8x8x1\nouter 4"

              let result = Script.Check(source text, catalogues)
              let error = Seq.exactlyOne result.Diagnostics

              Expect.equal
                  ([ for name, span in error.Uses -> name, span.Start.Line ])
                  [ "inner", 2; "outer", 5 ]
                  "chain"

              Expect.stringContains result.Text "in 'outer', used at test.cnn:5:1" "text"
          }
          test "blocks that use themselves are refused, directly or through others" {
              refused ("block a() { a }\n" + network "input 8\na") "'a' uses itself: a → a"

              refused
                  ("block a() { b }\nblock b() { if here.channels > 3 { a } }\n"
                   + network "input 8\na")
                  "a → b → a"
          }
          test "missing, surplus and unknown parameters are refused" {
              let use' text =
                  bottleneck + network ("input 8x8x4\n" + text)

              refused (use' "cell") "'cell' needs 'filters'"
              refused (use' "cell 4 1 act=relu 5") "takes no further value"
              refused (use' "cell 4 strid=2") "no parameter 'strid'"
              refused (use' "cell 4 filters=4") "'filters' has a value already"
          }
          test "a block shadows a word of the language, with a warning" {
              let text = "block flatten() { maxpool }\n" + network "input 8x8x1\nflatten"
              Expect.equal (paths (plan text)) [ "flatten1/maxpool1" ] "the script's own"
              Expect.exists (messages text) (fun m -> m.Contains "this script means its own") "warning"
          }
          test "defaults reach into blocks" {
              let plan =
                  plan (bottleneck + network "defaults { conv bias=no }\ninput 8x8x4\ncell 4")

              Expect.isFalse (List.contains "cell1/conv1/bias" (weights plan)) "no bias"
          } ]

let private tower =
    "shared tower {\n    conv 4 3 relu\n    maxpool\n    flatten\n    dense 3\n}\n"

let private siamese =
    tower
    + network "input left 8x8x1\ninput right 8x8x1\nconcat { from left; tower } { from right; tower }\ndense 1"

[<Tests>]
let sharedSets =
    testList
        "Dsl.Checking shared sets"
        [ test "every use computes with one set of weights, which is counted once" {
              let plan = plan siamese

              Expect.equal
                  (weights plan)
                  [ "tower/conv1/kernel"
                    "tower/conv1/bias"
                    "tower/dense1/kernel"
                    "tower/dense1/bias"
                    "dense1/kernel"
                    "dense1/bias" ]
                  "weights"

              Expect.contains (paths plan) "tower@2/conv1" "the second use's paths"
              let x = torch.rand ([| 2L; 1L; 8L; 8L |], dtype = torch.float64)
              let y = torch.rand ([| 2L; 1L; 8L; 8L |], dtype = torch.float64)

              let embed =
                  Scripts.plan (
                      tower
                      + network
                          "input left 8x8x1\ninput right 8x8x1\nfrom left; tower; output a\nfrom right; tower; output b"
                  )

              match run embed [ x; y ], run embed [ y; x ] with
              | [ a; b ], [ c; d ] ->
                  Expect.equal (a, b) (d, c) "the same function of either input"
                  Expect.notEqual a b "of different inputs"
              | _ -> failtest "two outputs"
          }
          test "other channels, or weights that would not fit, are refused" {
              refused
                  (tower
                   + network "input 8x8x1 as x\ntower as a\nfrom x\nconv 2 1\ntower\nadd a here")
                  "are for 8x8x1"

              refused
                  (tower
                   + network "input 8x8x1 as x\ntower as a\nfrom x\nmaxpool\ntower\nadd a here")
                  "are for 8x8x1"
          }
          test "their gradients add up over the uses" {
              use network = NetworkModule.Create(plan siamese, 3UL, torch.float64, torch.CPU)
              let x = torch.rand ([| 1L; 1L; 8L; 8L |], dtype = torch.float64)
              (network.Run([| x; x |])[0]).sum().backward()
              let both = network.get_parameter("tower/dense1/bias").grad.clone()
              let head = network.get_parameter("dense1/kernel").detach()

              Expect.isLessThan
                  (distance [| for i in 0..2 -> head[0, i].item<float>() + head[0, i + 3].item<float>() |] (values both))
                  1e-12
                  "sum over both"
          } ]

[<Tests>]
let inputsAndOutputs =
    testList
        "Dsl.Checking inputs and outputs"
        [ test "behind a second input nothing is the current value" {
              let result =
                  Script.Check(source (network "input a 8\ninput b 4\ndense 3"), catalogues)

              Expect.stringContains result.Text "behind a second input" "text"
          }
          test "several outputs have names; without 'output' the last value is it" {
              let plan =
                  plan (
                      network
                          "input a 8\ninput b 4\nconcat a b\ndense 3 as x\noutput age\nfrom a\ndense 2\noutput sex\nfrom x"
                  )

              Expect.equal
                  ([ for output in plan.Outputs -> output.Name, Shape.text (plan.ShapeOf output.Source) ])
                  [ "age", "3"; "sex", "2" ]
                  "outputs"

              Expect.equal
                  ([ for o in (Scripts.plan (network "input 8\ndense 3")).Outputs -> o.Name ])
                  [ "output" ]
                  "default"
          }
          test "names of inputs and outputs are used once" {
              refused (network "input a 8\ninput a 4\nadd a a") "there is an input 'a' already"
              refused (network "input 8\noutput x\ndense 3\noutput x") "there is an output 'x' already"
          }
          test "what is named, defined or computed for nothing is worth a warning" {
              let warned body = messages (network body)

              Expect.equal
                  (warned "input 8\nlet n = 3\ndense 4 as x\ndense 3")
                  [ "the number 'n' is never used"; "the value 'x' is never used" ]
                  "names"

              Expect.equal
                  (warned "input 8 as x\ndense 4\nfrom x\ndense 3")
                  [ "'dense1' leads to no output: nothing takes its value" ]
                  "layers"

              Expect.equal
                  (warned "input a 8\ninput b 8\nfrom a\ndense 3")
                  [ "the input 'b' leads to no output" ]
                  "inputs"

              Expect.equal
                  (warned "input 8\nlet n = 3\nif n > 2 { let n = 4\ndense n }")
                  [ "'n' has a meaning already, which this one hides" ]
                  "hidden"

              Expect.equal
                  (messages ("block b(n) { dense 3 }\nblock c() { relu }\n" + network "input 8\nb 3"))
                  [ "the parameter 'n' is never used"; "'c' is never used" ]
                  "blocks"
          }
          test "repeat takes values and words by their names" {
              let plan =
                  plan (
                      network
                          "input 8x8x1\nconv 2 3 as a\nconv 3 3 as b\nrepeat skip, act in [a relu; b tanh] { conv skip.channels 1 act\nfrom skip }\nflatten"
                  )

              Expect.equal plan.Nodes[2].Activation.Value.Definition.Name "relu" "act"
          } ]

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
                  plan (bottleneck + network "input 8x8x4\ncell 4 frozen\nflatten\ndense 2")

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
