/// Blocks and shared sets.
module CnnCluster.Tests.Dsl.ExpansionTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Checks

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
          test "their paths are their own, whatever blocks are called" {
              let plan =
                  plan (
                      "block a1() { conv 4 3 }\nshared a11 { conv 4 1 }\n"
                      + network "input 8x8x4\na1\na11"
                  )

              Expect.equal (paths plan) [ "a12/conv1"; "a11/conv1" ] "the block's use gives way"
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
