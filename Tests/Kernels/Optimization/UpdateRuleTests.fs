module CnnCluster.Tests.Kernels.Optimization.UpdateRuleTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.RuleFormulas

let private settingsOf (definition: UpdateRuleDefinition) overrides =
    let chosen = Map overrides

    SettingValues(
        dict
            [ for setting in definition.Settings ->
                  setting.Name,
                  chosen
                  |> Map.tryFind setting.Name
                  |> Option.defaultWith (fun () -> setting.Default.Value) ]
        |> fun values -> Collections.Generic.Dictionary values
    )

let private definition name =
    UpdateRules.All |> Seq.find (fun definition -> definition.Name = name)

let private ruleOf name overrides =
    let definition = definition name
    definition.Create.Invoke(settingsOf definition overrides)

/// A number that float32 holds exactly, so that both types walk from the same start along the same gradients.
let private exact (value: float) = float (float32 value)

let private startOf i = exact (cos (float i))

let private gradientOf i step =
    exact (sin (float (i * 7 + step * 3)) * 10.0 ** float (i % 5 - 3))

let private rateAt (rule: UpdateRule) step =
    rule.LearningRate * (1.0 - float step / 100.0)

/// The elements, each an index into starts and gradients, after some steps; as tensors or in memory.
let private walk (rule: UpdateRule) (dtype: torch.ScalarType) asTensors steps (elements: int[]) =
    use _ = torch.NewDisposeScope()
    let tensor (values: float[]) = (torch.tensor values).``to``(dtype)
    let parameters = tensor (Array.map startOf elements)

    let states =
        [| for name in rule.StateNames -> tensor (Array.create elements.Length (rule.InitialState name)) |]

    for step in 1..steps do
        let gradients = tensor (elements |> Array.map (fun i -> gradientOf i step))

        let operands =
            UpdateOperands(parameters, gradients, states, step, rateAt rule step, AsTensors = asTensors)

        rule.Apply &operands

    [ for result in Array.append [| parameters |] states ->
          result.``to``(torch.ScalarType.Float64).data<float>().ToArray() ]

/// The same by the formula: parameters, then each state.
let private walkFormula (rule: UpdateRule) formula settings steps elements =
    let follow i =
        let states = [ for name in rule.StateNames -> rule.InitialState name ]

        Seq.fold
            (fun element step -> formula settings step (rateAt rule step) (gradientOf i step) element)
            (startOf i, states)
            (seq { 1..steps })

    let ends = Array.map follow elements

    Array.map fst ends
    :: [ for state in 0 .. rule.StateNames.Count - 1 -> ends |> Array.map (fun (_, states) -> states[state]) ]

let private agree accuracy expected actual =
    for part, (right, found) in List.indexed (List.zip expected actual) do
        for i, (r, f) in Array.indexed (Array.zip right found) do
            Expect.floatClose
                { absolute = accuracy
                  relative = accuracy }
                f
                r
                $"part {part}, element {i}"

let private single, double = torch.ScalarType.Float32, torch.ScalarType.Float64

let private bits (values: float[]) =
    values |> Array.map BitConverter.DoubleToInt64Bits

let private ofRule (definition: UpdateRuleDefinition) entry overrides =
    let settings = settingsOf definition overrides
    let rule = definition.Create.Invoke settings
    let elements = [| 0..40 |]
    let name = $"{definition.Name} %A{overrides}"

    [ for dtype, accuracy in [ double, 1e-12; single, 1e-5 ] do
          test $"{name}: 50 steps of {dtype} follow the formula" {
              agree accuracy (walkFormula rule entry.Formula settings 50 elements) (walk rule dtype false 50 elements)
          }

          test $"{name}: tensors of {dtype} and memory agree" {
              agree (min accuracy 1e-6) (walk rule dtype false 10 elements) (walk rule dtype true 10 elements)
          }

          test $"{name}: an element of {dtype} has the same bits wherever it lies" {
              let alone = [| for i in 0..69 -> walk rule dtype false 3 [| i |] |]

              for length in 1..70 do
                  let together = walk rule dtype false 3 [| 0 .. length - 1 |]

                  for part in 0 .. together.Length - 1 do
                      let expected = [| for i in 0 .. length - 1 -> alone.[i].[part].[0] |]
                      Expect.equal (bits together[part]) (bits expected) $"{length} elements"
          } ]

/// Walks one element from 0 along a constant gradient.
let private constantly (rule: UpdateRule) (gradient: float) steps =
    use _ = torch.NewDisposeScope()
    let parameter = torch.zeros ([| 1L |], double)
    let states = [| for _ in rule.StateNames -> torch.zeros ([| 1L |], double) |]
    let gradient = torch.tensor [| gradient |]

    for step in 1..steps do
        let operands = UpdateOperands(parameter, gradient, states, step, rule.LearningRate)
        rule.Apply &operands

    parameter[0].item<float>()

let private exactly = { absolute = 1e-12; relative = 1e-12 }

let private closedForms =
    [ test "gradient descent along a constant gradient goes lr·g a step" {
          Expect.floatClose exactly (constantly (ruleOf "sgd" [ "lr", 0.1 ]) 2.0 30) -6.0 "-30·0.1·2"
      }
      test "momentum along a constant gradient sums its geometric series" {
          let rate, mu, steps = 0.1, 0.9, 25
          let series = List.sum [ for t in 1..steps -> (1.0 - mu ** float t) / (1.0 - mu) ]
          let rule = ruleOf "sgd" [ "lr", rate; "momentum", mu ]
          Expect.floatClose exactly (constantly rule 2.0 steps) (-rate * 2.0 * series) "Polyak"
      }
      test "Nesterov's momentum is one velocity ahead of the plain one" {
          let rate, mu, steps = 0.1, 0.9, 25

          let series count =
              List.sum [ for t in 1..count -> (1.0 - mu ** float t) / (1.0 - mu) ]

          let velocity = (1.0 - mu ** float steps) / (1.0 - mu)
          let rule = ruleOf "sgd" [ "lr", rate; "momentum", mu; "nesterov", 1.0 ]

          Expect.floatClose
              exactly
              (constantly rule 2.0 steps)
              (-rate * 2.0 * (series steps + mu * velocity))
              "look-ahead"
      }
      test "Adam along a constant gradient goes the learning rate a step, whatever the gradient's size" {
          for gradient in [ 1e-3; 1.0; -50.0 ] do
              let rule = ruleOf "adam" [ "lr", 0.01; "epsilon", 0.0 ]
              let expected = -0.01 * 40.0 * float (sign gradient)
              Expect.floatClose { absolute = 1e-10; relative = 0.0 } (constantly rule gradient 40) expected "scale-free"
      } ]

[<Tests>]
let tests =
    testList
        "Kernels.UpdateRules"
        [ for definition in UpdateRules.All do
              match Map.tryFind definition.Name byName with
              | Some entry ->
                  for overrides in [] :: entry.Variants do
                      yield! ofRule definition entry overrides
              | None ->
                  test $"{definition.Name} has a formula to be checked against" {
                      failtest $"add {definition.Name} to RuleFormulas.byName"
                  }
          test "names are unique, and the learning rate is every rule's first setting" {
              let names = [ for definition in UpdateRules.All -> definition.Name ]
              Expect.equal (List.distinct names) names "no name twice"

              for definition in UpdateRules.All do
                  Expect.equal definition.Settings[0].Name "lr" definition.Name
                  let rule = definition.Create.Invoke(settingsOf definition [ "lr", 0.125 ])
                  Expect.equal rule.LearningRate 0.125 definition.Name
          }
          yield! closedForms ]
