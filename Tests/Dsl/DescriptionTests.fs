module CnnCluster.Tests.Dsl.DescriptionTests

open System
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts

let private description = Description.ofPlan (plan lenet)

let private column (pick: LayerDescription -> 'a) =
    description.Layers |> Seq.map pick |> List.ofSeq

/// A block that uses a shared set, twice; then the set by itself.
let private sharing =
    "shared tower { conv 2 3 pad=same }\n\nblock cell(n) {\n    conv n 3 pad=same\n    tower\n    conv n 3 pad=same\n}\n\nnetwork N {\n    input 8x8x2\n    cell 2\n    cell 2\n    tower\n    conv 2 8\n}"

[<Tests>]
let tests =
    testList
        "Dsl.Description"
        [ test "LeNet-5's layers and shapes" {
              Expect.equal (description.Inputs[0].Name, description.Inputs[0].ShapeText) ("input", "28x28x1") "input"

              Expect.equal
                  (column _.Name)
                  [ "conv1"; "maxpool1"; "conv2"; "maxpool2"; "flatten1"; "dense1"; "dense2"; "dense3" ]
                  "names"

              Expect.equal
                  (column _.OutputText)
                  [ "28x28x6"; "14x14x6"; "10x10x16"; "5x5x16"; "400"; "120"; "84"; "10" ]
                  "outputs"

              Expect.equal (column _.Activation) [ "relu"; ""; "relu"; ""; ""; "relu"; "relu"; "" ] "activations"
              Expect.sequenceEqual description.Layers[1].Inputs [ "conv1" ] "inputs"
          }
          test "LeNet-5's receptive fields are 5, 6, 14 and 16, then the whole image" {
              let sides =
                  column (fun layer -> [ for side in layer.ReceptiveField -> int side.Value ])

              Expect.equal sides [ for side in [ 5; 6; 14; 16; 28; 28; 28; 28 ] -> [ side; side ] ] "fields"
          }
          test "a convolution has N(Dk² + 1) parameters, a dense layer N(D + 1)" {
              let expected =
                  [ 6L * 26L; 0L; 16L * (6L * 25L + 1L); 0L; 0L; 120L * 401L; 84L * 121L; 10L * 85L ]

              Expect.equal (column _.Parameters) expected "parameters"
              Expect.equal description.Parameters 61706L "in all"
          }
          test "a convolution does Dk² multiply-adds for each output, a dense layer one for each weight" {
              let expected =
                  [ 28L * 28L * 6L * 25L; 0L; 10L * 10L * 16L * 6L * 25L; 0L; 0L; 48000L; 10080L; 840L ]

              Expect.equal (column (fun layer -> layer.MultiplyAdds.Value)) expected "multiply-adds"
              Expect.equal description.MultiplyAdds.Value (List.sum expected) "in all"
          }
          test "behind one of several inputs, that one is the whole that is seen" {
              let layers =
                  (Description.ofPlan (
                      planOf "input a 8x8x1\ninput b 9x9x1\nconcat { from a; flatten } { from b; flatten }"
                  ))
                      .Layers

              Expect.equal
                  [ for layer in layers -> layer.Name, [ for side in layer.ReceptiveField -> side.Value ] ]
                  [ "flatten1", [ 8L; 8L ]; "flatten2", [ 9L; 9L ]; "concat1", [ 9L; 9L ] ]
                  "fields"
          }
          test "strides and dilation widen the field, an axis each" {
              let layers =
                  (Description.ofPlan (
                      planOf "input 64x64x1\nconv 2 3x5 stride=2x1\nconv 2 3x3 dilation=1x2\nmaxpool 2x2"
                  ))
                      .Layers

              let fields =
                  [ for layer in layers -> [ for side in layer.ReceptiveField -> int side.Value ] ]

              Expect.equal fields [ [ 3; 5 ]; [ 7; 9 ]; [ 9; 10 ] ] "fields"
          }
          test "what depends on an open side is not known" {
              let open' = Description.ofPlan (planOf "input ?x28x1\nconv 6 5x5")
              Expect.equal open'.Layers[0].OutputText "?x24x6" "output"
              Expect.isFalse open'.MultiplyAdds.HasValue "multiply-adds"
              Expect.isFalse open'.Layers[0].ActivationBytes.HasValue "bytes"
              Expect.equal open'.Parameters 156L "parameters"
          }
          test "a folded block holds the shared set that it uses, and counts the weights that are its own" {
              let folded = Description.folded (Nullable 1) (plan sharing)
              let layers = folded.Layers

              Expect.equal [ for layer in layers -> layer.Name ] [ "cell1"; "cell2"; "tower@3"; "conv1" ] "lines"
              let inputs = [ for layer in layers -> List.ofSeq layer.Inputs ]
              Expect.equal inputs [ [ "input" ]; [ "cell1" ]; [ "cell2" ]; [ "tower@3" ] ] "inputs"
              // Two convolutions 2→2 of 3x3 a block, and the tower's in the first use of it.
              Expect.equal [ for layer in layers -> layer.Parameters ] [ 114L; 76L; 0L; 258L ] "parameters"
              Expect.equal (layers |> Seq.sumBy _.Parameters) folded.Parameters "in all"
              Expect.equal [ for layer in layers -> layer.WeightsOf ] [ ""; ""; "tower"; "" ] "whose weights"
          }
          test "folded at depth 2, a shared set is a line in the block that uses it" {
              let layers = (Description.folded (Nullable 2) (plan sharing)).Layers

              Expect.equal
                  [ for layer in layers -> layer.Name ]
                  [ "cell1/conv1"
                    "tower"
                    "cell1/conv2"
                    "cell2/conv1"
                    "tower@2"
                    "cell2/conv2"
                    "tower@3/conv1"
                    "conv1" ]
                  "lines"
          }
          test "a receptive field wider than 2^31 is counted, and one beyond 2^53 is not known" {
              let fieldBehind steps =
                  let network =
                      Description.ofPlan (planOf $"input 16x16x1\nrepeat {steps} {{ zeropad 20; maxpool 2 }}")

                  [ for side in (Seq.last network.Layers).ReceptiveField -> Option.map int64 (Option.ofNullable side) ]

              // R = 1 + Σ 2^i over the poolings: 2^n.
              Expect.equal (fieldBehind 40) [ Some(1L <<< 40); Some(1L <<< 40) ] "40 poolings"
              Expect.equal (fieldBehind 53) [ Some(1L <<< 53); Some(1L <<< 53) ] "53 poolings"
              Expect.equal (fieldBehind 54) [ None; None ] "54 poolings"
              Expect.equal (fieldBehind 1100) [ None; None ] "beyond what a double holds"
          }
          test "sums that do not fit into 64 bits are not known" {
              let large = planOf "input 46340x46340x1\nrepeat 5 { conv 1 32767 pad=same }"

              let description = Description.ofPlan large
              Expect.isTrue (description.Layers |> Seq.forall _.MultiplyAdds.HasValue) "each layer's"
              Expect.isFalse description.MultiplyAdds.HasValue "in all"
              Expect.isFalse ((NetworkDrawing.dot (Nullable()) large).Contains "multiply-adds") "in a drawing"
          } ]
