/// What layers and activations are computed in where a run has a type of 16 bits: what they say, and what comes to them.
module CnnCluster.Tests.Dsl.ArithmeticTests

open System
open System.Collections.Generic
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.Networks

/// The types of a layer's inputs, of its weights and of its output, in one pass.
type private Seen =
    { Inputs: torch.ScalarType list
      Weights: torch.ScalarType list
      Output: torch.ScalarType }

let private reduced, full = torch.ScalarType.BFloat16, torch.ScalarType.Float32

/// The case behind a layer that gives 16 bits.
let private behindProducts (body: string) =
    let lines = body.Split '\n'
    let given = lines[0].Split " as "
    let sides = given[0].Substring("input ".Length).Split 'x'

    let products =
        if sides.Length = 1 then $"dense {sides[0]}" else $"conv {Array.last sides} 1"

    String.Join(
        '\n',
        [ yield given[0]
          yield products
          if given.Length > 1 then yield $"as {given[1]}"
          yield! lines[1..] ]
    )

let private allocate (tensors: IReadOnlyList<NamedTensor>) : IReadOnlyList<torch.Tensor> =
    [| for tensor in tensors -> torch.zeros (Array.ofSeq tensor.Shape, dtype = Nullable full) |]

let private pass (plan: NetworkPlan) =
    let buffers = allocate plan.Buffers

    let tensors =
        { Weights = allocate plan.Weights
          Gradients = allocate plan.Weights
          Buffers = buffers
          NextBuffers = buffers }

    use network = new NetworkModule(plan, tensors, reduced)
    network.Initialise 3UL
    network.Step <- step true 3L
    let x = (samples plan 3).``to`` full
    x.requires_grad <- true
    let y = network.forward x
    y.sum().backward()
    Expect.equal (y.dtype, x.grad.dtype) (full, full) "outputs and gradients are float32"

/// What the last layer saw.
let private seenBy body =
    scope (fun () ->
        let plan = planOf (behindProducts body)
        let mutable seen = None

        let spied (node: PlanNode) =
            let forward (call: LayerCall) =
                let output = node.Layer.Forward call

                seen <-
                    Some
                        { Inputs = [ for x in call.Inputs -> x.dtype ]
                          Weights = [ for w in call.Weights -> w.dtype ]
                          Output = output.dtype }

                output

            { node with
                Layer =
                    { node.Layer with
                        Forward = forward
                        ForwardWith = fun _ -> None } }

        let last = plan.Nodes.Length - 1

        pass
            { plan with
                Nodes = plan.Nodes |> List.mapi (fun i node -> if i = last then spied node else node) }

        (List.last plan.Nodes).Layer.Arithmetic, seen.Value)

let private isOf arithmetic seen =
    let expected =
        match arithmetic with
        | Arithmetic.Products -> reduced, reduced, reduced
        | Arithmetic.AsGiven -> reduced, full, reduced
        | Arithmetic.Full -> full, full, full

    let inputs, weights, output = expected

    Expect.equal
        seen
        { Inputs = [ for _ in seen.Inputs -> inputs ]
          Weights = [ for _ in seen.Weights -> weights ]
          Output = output }

/// Fixed kernels and branches with products of their own have other inputs than the layer before gives.
let private single body = not ((body: string).Contains '{')

let private arithmeticOf name =
    (List.last (planOf cases[name].Head).Nodes).Layer.Arithmetic

/// What an activation behind a product gets, and gives.
let private typesOf (definition: ActivationDefinition) =
    scope (fun () ->
        let plan = planOf $"input 6x4\nconv 4 1 {definition.Name}"
        let mutable types = None

        let apply values (x: torch.Tensor) =
            let y = definition.Apply values x
            types <- Some(x.dtype, y.dtype)
            y

        let spied (node: PlanNode) =
            { node with
                Layer =
                    { node.Layer with
                        ForwardWith = fun _ -> None }
                Activation =
                    Some
                        { Definition = { definition with Apply = apply }
                          Values = [ for argument in definition.Arguments -> argument.Default ] } }

        pass
            { plan with
                Nodes = plan.Nodes |> List.map spied }

        types.Value)

[<Tests>]
let tests =
    testList
        "Dsl.Layers in 16 bits"
        [ for layer in Catalogue.layers do
              test $"{layer.Name}: inputs, weights and output have the types that its plan says" {
                  for body in List.filter single cases[layer.Name] do
                      let arithmetic, seen = seenBy body
                      isOf arithmetic seen body
              }
          test "products alone are computed in 16 bits" {
              Expect.equal
                  [ for layer in Catalogue.layers do
                        if arithmeticOf layer.Name = Arithmetic.Products then layer.Name ]
                  [ "conv"; "depthwise"; "separable"; "convtranspose"; "dense" ]
                  "layers"
          }
          test "branches of several types are merged in float32" {
              for word in [ "add"; "concat"; "maximum" ] do
                  let _, seen = seenBy $"input 3x4x2 as x\n{word} x {{ conv 2 1 tanh }}"
                  isOf Arithmetic.Full seen word

              let _, seen = seenBy "input 3x4x2 as x\nconcat x { conv 2 1 }"
              isOf Arithmetic.AsGiven seen "of one type, in that type"
          }
          for definition in Activation.all do
              test $"{definition.Name}: is computed in 16 bits only where it picks and cuts" {
                  let expected = if definition.Exact then reduced else full
                  Expect.equal (typesOf definition) (expected, expected) "what it gets, and gives"
              }
          test "these activations pick and cut" {
              Expect.equal
                  [ for definition in Activation.all do
                        if definition.Exact then definition.Name ]
                  [ "linear"; "relu"; "relu6"; "hardtanh" ]
                  "activations"
          } ]
