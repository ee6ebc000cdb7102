/// LeNet-5 written in the chapter's three ways.
module CnnCluster.Tests.Chapter.LeNetTests

open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.LayerReferences

let private sequence =
    """network LeNet5 {
    input   28x28x1
    conv    6 5x5 pad=2 relu
    maxpool 2x2
    conv    16 5x5 relu
    maxpool 2x2
    flatten
    dense   120 relu
    dense   84 relu
    dense   10
    softmax
}"""

let private blocks =
    """block features(filters, edge) {
    conv filters 5x5 pad=edge relu
    maxpool 2x2
}

block classifier(classes) {
    flatten
    repeat units in [120 84] { dense units relu }
    dense classes
}

network LeNet5 {
    input 28x28x1
    features 6 edge=2
    features 16 edge=valid
    classifier 10
    softmax
}"""

/// Each layer is applied to a value and names what it gives; the scores are an output as well.
let private functional =
    """network LeNet5 {
    input   image 28x28x1
    from    image
    conv    6 5x5 pad=2 relu as edges
    from    edges
    maxpool 2x2              as halved
    from    halved
    conv    16 5x5 relu      as shapes
    from    shapes
    maxpool 2x2              as quartered
    from    quartered
    flatten                  as features
    dense   120 relu
    dense   84 relu
    dense   10               as scores
    output  logits
    from    scores
    softmax
    output  probabilities
}"""

/// The second convolution as two halves of its kernels, side by side.
let private merged =
    functional.Replace(
        "conv    16 5x5 relu      as shapes",
        "concat  { conv 8 5x5 relu } { conv 8 5x5 relu } as shapes"
    )

let private networkOf text =
    Networks.networkOf (Scripts.plan text) 42UL

/// The probabilities of three images that look random.
let private probabilities text (change: NetworkTensors -> unit) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let network, tensors = networkOf text
    change tensors
    let outputs = network.Run [| Networks.samples network.Plan 3 |]
    values outputs[outputs.Count - 1]

let private byTheSequence = lazy probabilities sequence ignore

/// Gives a network the sequence's weights, one by one.
let private copy (into: NetworkTensors) =
    let _, weights = networkOf sequence

    for target, source in Seq.zip into.Weights weights.Weights do
        target.copy_ source |> ignore

/// The same where the second convolution is two: half of its kernels and biases each.
let private copyHalves (into: NetworkTensors) =
    let _, weights = networkOf sequence

    let halves =
        [ for half in [ 0L; 8L ] do
              for weight in [ 2; 3 ] -> weights.Weights[weight].narrow(0L, half, 8L) ]

    let sources =
        [ yield! Seq.take 2 weights.Weights; yield! halves; yield! Seq.skip 4 weights.Weights ]

    for target, source in Seq.zip into.Weights sources do
        target.copy_ source |> ignore

[<Tests>]
let tests =
    testList
        "Chapter.LeNet-5"
        [ for name, text in [ "sequence", sequence; "blocks", blocks; "functional", functional; "merged", merged ] do
              test $"{name}: 61,706 parameters" { Expect.equal (Scripts.plan text).Parameters 61706L "trained numbers" }
          test "the second pooling gives 5·5·16 = 400 features" {
              let shapes =
                  [ for node in (Scripts.plan functional).Nodes -> Shape.text node.Layer.Output ]

              Expect.equal
                  shapes
                  [ "28x28x6"; "14x14x6"; "10x10x16"; "5x5x16"; "400"; "120"; "84"; "10"; "10" ]
                  "shapes"
          }
          test "functional: with the seed of the sequence it is the same function" {
              Expect.equal (probabilities functional ignore) byTheSequence.Value "bit by bit"
          }
          test "blocks: with the weights of the sequence they are the same function" {
              Expect.notEqual
                  (probabilities blocks ignore)
                  byTheSequence.Value
                  "their own paths give them other weights"

              Expect.equal (probabilities blocks copy) byTheSequence.Value "bit by bit"
          }
          test "merged: with the kernels of the sequence, dealt out, it is the same function" {
              let difference =
                  Networks.distance byTheSequence.Value (probabilities merged copyHalves)

              Expect.isLessThan difference 1e-12 "up to rounding"
          }
          test "functional: the logits are an output, and the probabilities are their softmax" {
              use _ = torch.NewDisposeScope()
              use _ = torch.no_grad ()
              let network, _ = networkOf functional
              Expect.equal [ for output in network.Plan.Outputs -> output.Name ] [ "logits"; "probabilities" ] "outputs"
              let outputs = network.Run [| Networks.samples network.Plan 3 |]
              let exponentials = outputs[0].exp()
              let expected = exponentials / exponentials.sum (1L, keepdim = true)
              Expect.isLessThan (Networks.distance (values expected) (values outputs[1])) 1e-12 "softmax"
          } ]
