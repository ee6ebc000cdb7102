/// Update rules and schedules against PyTorch's numbers, which `References/optimizers_references.py` writes down.
module CnnCluster.Tests.Kernels.Optimization.OptimizersInPyTorchTests

open System.Collections.Generic
open System.IO
open System.Text.Json
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Optimization.Arenas

let private document =
    JsonDocument.Parse(File.ReadAllText(Repository.file "Tests/References/optimizers.json"))

let private cases (kind: string) =
    List.ofSeq (document.RootElement.GetProperty(kind).EnumerateArray())

let private numbers (case: JsonElement) (name: string) =
    [| for number in case.GetProperty(name).EnumerateArray() -> number.GetDouble() |]

let private word (case: JsonElement) = case.GetProperty("word").GetString()

let private settings (case: JsonElement) =
    [ for setting in case.GetProperty("settings").EnumerateObject() -> setting.Name, setting.Value ]

let private title (case: JsonElement) =
    let settings = case.GetProperty "settings"
    $"{word case} {settings}"

/// The weights after 200 steps of the case's problem.
let private walk (case: JsonElement) (dtype: torch.ScalarType) =
    let rule =
        ruleOf (word case) [ for name, value in settings case -> name, value.GetDouble() ]

    let start, h, c, a, f =
        numbers case "start", numbers case "h", numbers case "c", numbers case "a", numbers case "f"

    use arena =
        new ParameterArena([ ArenaSegment("p", [| int64 start.Length |]) ], rule, dtype, torch.CPU, 0)

    fill arena.Parameters start
    let step = OptimizerStep(arena, rule, null)

    for t in 1..200 do
        let p = Array.ofList (values arena.Parameters)

        let slope i =
            h[i] * (p[i] - c[i]) + a[i] * sin (float t / 10.0 + f[i])

        fill arena.Gradients (Array.init p.Length slope)
        step.Apply(int64 t, rule.LearningRate) |> ignore

    Array.ofList (values arena.Parameters)

let private norm numbers =
    numbers |> Array.sumBy (fun number -> number * number) |> sqrt

let private rates (case: JsonElement) =
    let definition = Schedules.All |> Seq.find (fun s -> s.Name = word case)
    let single, lists = Dictionary(), Dictionary()

    for setting in definition.Settings do
        if setting.Default.HasValue then
            single[setting.Name] <- setting.Default.Value

    for name, value in settings case do
        if value.ValueKind = JsonValueKind.Array then
            lists[name] <- (numbers (case.GetProperty "settings") name :> IReadOnlyList<float>)
        else
            single[name] <- value.GetDouble()

    let schedule = definition.Create.Invoke(SettingValues(single, lists))
    [| for step in 0L .. 59L -> schedule.Invoke(0.4, SchedulePoint(step, 6L, 60L)) |]

[<Tests>]
let tests =
    testList
        "Kernels.Optimizers in PyTorch"
        [ test "every rule that PyTorch 1.13 has is compared" {
              let compared = cases "optimizers" |> List.map word |> List.distinct |> set
              let own = set [ for definition in UpdateRules.All -> definition.Name ]
              Expect.equal (own - compared) (set [ "lamb"; "lion" ]) "those that it has not"
          }
          for case in cases "optimizers" do
              for dtype, accuracy in [ torch.ScalarType.Float64, 1e-10; torch.ScalarType.Float32, 1e-6 ] do
                  test $"{title case} goes PyTorch's way in {dtype}" {
                      let expected = numbers case "end"
                      let difference = norm (Array.map2 (-) expected (walk case dtype))
                      Expect.isLessThan (difference / norm expected) accuracy "norm of the difference"
                  }
          for case in cases "schedules" do
              test $"{title case} has PyTorch's rates" {
                  for step, (right, found) in Array.indexed (Array.zip (numbers case "rates") (rates case)) do
                      Expect.floatClose { absolute = 1e-12; relative = 1e-10 } found right $"step {step}"
              } ]
