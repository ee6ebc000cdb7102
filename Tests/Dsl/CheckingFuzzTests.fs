/// Whatever the text, checking it gives a plan or errors, soon; and what was checked runs.
module CnnCluster.Tests.Dsl.CheckingFuzzTests

open System.Diagnostics
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts

let private limitSeconds = 1.0

/// A slow first try may be the machine's fault, three are the checker's.
let private soon text action =
    let rec attempt left =
        let clock = Stopwatch.StartNew()
        let result = action ()

        if clock.Elapsed.TotalSeconds < limitSeconds then result
        elif left > 1 then attempt (left - 1)
        else failtest $"more than {limitSeconds} s for:\n{text}"

    attempt 3

let private checksWell text =
    let result =
        soon text (fun () ->
            let result = Script.Check(source text, catalogues)
            result.Text |> ignore
            result)

    Expect.equal (isNull result.Value) result.HasErrors "a value or errors"

    match result.Value with
    | null -> ()
    | canonical ->
        let again = Script.Check(source canonical, catalogues)
        Expect.isFalse again.HasErrors $"{text}\n---\n{canonical}\n---\n{again.Text}"
        Expect.equal again.Value canonical "the canonical script is canonical"

/// What a test can afford to compute.
let private isSmall (plan: NetworkPlan) =
    let elements =
        plan.Nodes
        |> List.sumBy (fun node -> node.Layer.Output.Elements |> Option.defaultValue 0L)

    elements < 200_000L && plan.Parameters < 1_000_000L

/// Numbers about 0 that never change.
let private values samples (input: PlanInput) =
    let sides = [ for side in input.Shape.Sides -> int64 side.Value ]
    let shape = Array.ofList (samples :: int64 input.Shape.Channels :: sides)
    let count = int (Array.fold (*) 1L shape)
    torch.tensor([| for i in 0 .. count - 1 -> sin (float i) |], dtype = torch.float32).reshape shape

let private dims samples (shape: Shape) =
    samples
    :: int64 shape.Channels
    :: [ for side in shape.Sides -> int64 side.Value ]

/// Forward and backward, in training and out of it, also without a sample: shapes as planned.
let private runs (plan: NetworkPlan) =
    use _ = torch.NewDisposeScope()
    use network = NetworkModule.Create(plan, 1UL, torch.float32, torch.CPU)

    for training, samples in [ true, 2L; false, 1L; false, 0L ] do
        network.Step.Training <- training
        network.Step.GlobalBatch <- max 1L samples
        let outputs = network.Run [| for input in plan.Inputs -> values samples input |]

        for tensor, output in Seq.zip outputs plan.Outputs do
            Expect.sequenceEqual tensor.shape (dims samples (plan.ShapeOf output.Source)) "shape"
            if training && tensor.requires_grad then (tensor.sum ()).backward()

let private plansAndRuns text =
    let result = soon text (fun () -> Script.Network(source text, null, [], catalogues))

    match result.Value with
    | null -> Expect.isTrue result.HasErrors "errors"
    | plan when isSmall plan ->
        try
            runs plan
        with error ->
            failtest $"{error}\nfor\n{text}"
    | _ -> ()

let private config count =
    { FsCheckConfig.defaultConfig with
        maxTest = count
        endSize = 60 }

let private checkingProperty count =
    testPropertyWithConfig
        (config count)
        "scripts at random and scripts with damage are checked, or refused"
        (Prop.forAll (Arb.fromGen ScriptGenerators.script) checksWell)

let private runningProperty count =
    testPropertyWithConfig
        (config count)
        "networks at random are refused, or run with the planned shapes"
        (Prop.forAll (Arb.fromGen NetworkGenerators.network) plansAndRuns)

[<Tests>]
let tests =
    testList
        "Dsl.Checking fuzz"
        [ checkingProperty 1_000
          runningProperty 500
          test "enough of the networks at random are right" {
              let right =
                  Gen.sample 300 NetworkGenerators.network
                  |> Array.filter (fun text -> not (Script.Network(source text, null, [], catalogues)).HasErrors)

              Expect.isGreaterThan right.Length 30 "right ones"
          } ]

[<Tests>]
let long =
    testList
        "Dsl.Checking fuzz (long)"
        [ checkingProperty (ScriptGenerators.cases 30_000); runningProperty (ScriptGenerators.cases 6_000) ]
