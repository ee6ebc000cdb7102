/// What backward says of the gradients that are complete while it goes on.
module CnnCluster.Tests.Dsl.GradientMarksTests

open System.Collections.Generic
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels.Layers
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts

let private chain =
    "input 8x8x1\nconv 2 3x3 relu\nmaxpool 2x2\nconv 3 2x2 tanh\nflatten\ndense 5 relu\ndense 2"

let private branches =
    "input 6x6x2\nconv 3 3x3 pad=same as stem\nconcat { from stem; conv 2 1x1 } { from stem; conv 2 3x3 pad=same relu\nconv 2 3x3 pad=same }\nbatchnorm relu\nflatten\ndense 2"

let private towers =
    "input left 5x5x1\ninput right 5x5x1\nconcat { from left; tower } { from right; tower }\ndense 3 relu\ndense 2"

let private shared = "shared tower {\nconv 2 3x3 tanh\nflatten\ndense 4\n}\n"

let private frozen =
    "input 4x4x1\nconv 2 3x3 frozen\nflatten\ndense 4 tanh frozen\ndense 3 relu\ndense 2"

/// All gradients, weight by weight.
let private gradients (tensors: NetworkTensors) =
    [ for gradient in tensors.Gradients -> values gradient ]

/// Each mark that was reached, in order, with all gradients as they were then; and the gradients in the end.
let private backward (network: NetworkModule) tensors (inputs: torch.Tensor list) =
    let reached = List<int * float[] list>()
    let places = HashSet [ for struct (place, _) in network.Boundaries -> place ]
    network.Marks <- GradientMarks(places, (fun place -> reached.Add((place, gradients tensors))))
    network.Step <- step true (inputs.Head.size 0)
    let y = network.Run(List.toArray inputs)[0]
    (y * scores y).sum().backward()
    network.Step.ThrowIfFailed()
    List.ofSeq reached, gradients tensors

let private checkMarks (plan: NetworkPlan) (network: NetworkModule) tensors inputs =
    let reached, final = backward network tensors inputs

    let boundaries =
        dict [ for struct (place, first) in network.Boundaries -> place, first ]

    Expect.isNonEmpty reached "something is complete before the end"
    Expect.equal (reached |> List.map fst) (reached |> List.map fst |> List.sortDescending) "the last first"

    for place, then' in reached do
        for weight in boundaries[place] .. final.Length - 1 do
            Expect.equal then'[weight] final[weight] $"at {place}: {plan.Weights[weight].Name} is complete"

    // The mark behind a layer comes before the layer's own gradient.
    let place, then' = List.last reached
    let incomplete = boundaries[place] - 1
    Expect.isTrue (incomplete < 0 || then'[incomplete] <> final[incomplete]) $"at {place}, {incomplete} is not"

let private scoped act =
    use _ = torch.NewDisposeScope()
    act ()

[<Tests>]
let tests =
    testList
        "Dsl.Gradient marks"
        [ for name, plan in
              [ "a chain", planOf chain
                "branches", planOf branches
                "shared weights", plan (shared + "network N {\n" + towers + "\n}")
                "frozen layers", planOf frozen ] do
              test $"{name}: what lies behind a mark is complete when backward comes to it" {
                  scoped (fun () ->
                      let network, tensors = networkOf plan 3UL
                      let input = samples plan 3
                      checkMarks plan network tensors [ for _ in plan.Inputs -> input ])
              }

          test "weights that are used twice are complete at their first use" {
              let plan = plan (shared + "network N {\n" + towers + "\n}")

              scoped (fun () ->
                  let network, _ = networkOf plan 3UL
                  let firsts = [ for struct (_, first) in network.Boundaries -> first ]
                  // Two towers of two layers with weights, then two layers of the network's own: conv/kernel, conv/bias and so on.
                  let own =
                      Seq.findIndex (fun (w: NamedTensor) -> not (w.Name.StartsWith "tower")) plan.Weights

                  Expect.equal firsts (List.sort firsts) "later places, fewer weights"
                  Expect.all firsts (fun first -> first = 0 || first >= 1) "within the weights"
                  Expect.isTrue (List.contains own firsts) "the towers' as a whole")
          }

          test "marks change no bit of the output, nor of the gradients" {
              scoped (fun () ->
                  let plan = planOf branches
                  let input = samples plan 3
                  let marked, markedTensors = networkOf plan 3UL
                  let reached, withMarks = backward marked markedTensors [ input ]
                  let plain, plainTensors = networkOf plan 3UL
                  plain.Step <- step true 3L
                  let y = plain.Run([| input |])[0]
                  (y * scores y).sum().backward()
                  Expect.isNonEmpty reached "marks"
                  Expect.equal withMarks (gradients plainTensors) "gradients")
          }

          test "what goes wrong at a mark is thrown by the step, behind backward" {
              scoped (fun () ->
                  let plan = planOf chain
                  let network, _ = networkOf plan 3UL
                  let struct (place, _) = network.Boundaries[1]
                  network.Marks <- GradientMarks(HashSet [ place ], (fun _ -> invalidOp "no room"))
                  network.Step <- step true 2L
                  let y = network.Run([| samples plan 2 |])[0]
                  (y * scores y).sum().backward()
                  Expect.throwsT<System.InvalidOperationException> (fun () -> network.Step.ThrowIfFailed()) "no room")
          }

          test "without gradients nothing is marked" {
              scoped (fun () ->
                  let plan = planOf chain
                  let network, _ = networkOf plan 3UL
                  network.Marks <- GradientMarks(HashSet [ 0; 1; 2; 3 ], (fun _ -> failtest "reached"))
                  network.Step <- step false 2L
                  use _ = torch.no_grad ()
                  let y = network.Run([| samples plan 2 |])[0]
                  Expect.isFalse y.requires_grad "an output alone")
          } ]
