module CnnCluster.Tests.Dsl.DescriptionTests

open System
open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts

let private description = Description.ofPlan (plan lenet)

let private column (pick: LayerDescription -> 'a) =
    description.Layers |> Seq.map pick |> List.ofSeq

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
                  column (fun layer -> layer.ReceptiveField |> Seq.map _.Value |> List.ofSeq)

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
          test "strides and dilation widen the field, an axis each" {
              let layers =
                  (Description.ofPlan (
                      planOf "input 64x64x1\nconv 2 3x5 stride=2x1\nconv 2 3x3 dilation=1x2\nmaxpool 2x2"
                  ))
                      .Layers

              let fields =
                  [ for layer in layers -> [ for side in layer.ReceptiveField -> side.Value ] ]

              Expect.equal fields [ [ 3; 5 ]; [ 7; 9 ]; [ 9; 10 ] ] "fields"
          }
          test "what depends on an open side is not known" {
              let open' = Description.ofPlan (planOf "input ?x28x1\nconv 6 5x5")
              Expect.equal open'.Layers[0].OutputText "?x24x6" "output"
              Expect.isFalse open'.MultiplyAdds.HasValue "multiply-adds"
              Expect.isFalse open'.Layers[0].ActivationBytes.HasValue "bytes"
              Expect.equal open'.Parameters 156L "parameters"
          } ]
