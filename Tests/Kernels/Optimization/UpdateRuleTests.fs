module CnnCluster.Tests.Kernels.Optimization.UpdateRuleTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Kernels.Optimization.Arenas
open CnnCluster.Tests.Kernels.Optimization.RuleFormulas

let private single, double = torch.ScalarType.Float32, torch.ScalarType.Float64

/// A number that float32 holds exactly, so that both types walk from the same start along the same gradients.
let private exact (value: float) = float (float32 value)

let private startOf i = exact (cos (float i))

let private gradientOf i step =
    exact (sin (float (i * 7 + step * 3)) * 10.0 ** float (i % 5 - 3))

let private rateAt (rule: UpdateRule) step =
    rule.LearningRate * (1.0 - float step / 400.0)

let private segmentsOf lengths =
    [| for place, length: int in List.indexed lengths -> ArenaSegment($"w{place}", [| int64 length |]) |]

/// Parameters and states after some steps, element i from its start along its gradients.
let private walk (rule: UpdateRule) (dtype: torch.ScalarType) path steps (lengths: int list) (elements: int[]) =
    use arena = new ParameterArena(segmentsOf lengths, rule, dtype, torch.CPU, 0)

    fill arena.Parameters (Array.map startOf elements)
    let step = OptimizerStep(arena, rule, null, Path = path)

    for number in 1..steps do
        fill arena.Gradients (elements |> Array.map (fun i -> gradientOf i number))
        step.Apply(int64 number, rateAt rule number) |> ignore

    contents arena

/// The same by the formula.
let private walkFormula (rule: UpdateRule) formula settings steps (elements: int[]) =
    let states =
        [ for name in rule.StateNames -> Array.create elements.Length (rule.InitialState name) ]

    let ends, states =
        Seq.fold
            (fun parameter step ->
                let gradients = elements |> Array.map (fun i -> gradientOf i step)
                withDecay formula settings step (rateAt rule step) gradients parameter)
            (Array.map startOf elements, states)
            (seq { 1..steps })

    ends :: states

let private norm values =
    values |> Array.sumBy (fun value -> value * value) |> sqrt

/// The norm of the differences over the norm of what is expected.
let private agree accuracy (expected: float[] list) (actual: float[] list) =
    for part, (right, found) in List.indexed (List.zip expected actual) do
        let difference = norm (Array.map2 (-) right found)
        Expect.isLessThanOrEqual (difference / norm right) accuracy $"part {part}"

let private bits (values: float[]) =
    values |> Array.map BitConverter.DoubleToInt64Bits

let private sameBits expected actual message =
    Expect.equal (List.map bits actual) (List.map bits expected) message

let private ofRule (definition: UpdateRuleDefinition) entry overrides =
    let settings = settingsOf definition overrides
    let rule = definition.Create.Invoke settings
    let elements = [| 0..40 |]
    let name = $"{definition.Name} %A{overrides}"

    let walkAll dtype path steps =
        walk rule dtype path steps [ 41 ] elements

    [ for dtype, accuracy in [ double, 1e-12; single, 1e-6 ] do
          test $"{name}: 200 steps of {dtype} follow the formula" {
              agree
                  accuracy
                  (walkFormula rule entry.Formula settings 200 elements)
                  (walkAll dtype UpdatePath.Fastest 200)
          }

          test $"{name}: tensors of {dtype} and memory agree" {
              agree (min accuracy 1e-6) (walkAll dtype UpdatePath.Fastest 10) (walkAll dtype UpdatePath.Tensors 10)
          }

          test $"{name}: vectors of all widths give the bits that scalars of {dtype} give" {
              let expected = walkAll dtype UpdatePath.Scalar 5

              for path in [ UpdatePath.Vector128; UpdatePath.Vector256; UpdatePath.Vector512; UpdatePath.Fastest ] do
                  sameBits expected (walkAll dtype path 5) $"{path}"
          } ]

/// An element's bits do not depend on where it lies: alone, among others, in one parameter or another.
let private wherever (definition: UpdateRuleDefinition) =
    let rule = definition.Create.Invoke(settingsOf definition [ "weight-decay", 0.1 ])

    let expected =
        [| for i in 0..69 -> walk rule single UpdatePath.Fastest 3 [ 1 ] [| i |] |]

    let together lengths elements =
        let found = walk rule single UpdatePath.Fastest 3 lengths elements

        for part in 0 .. found.Length - 1 do
            let alone = elements |> Array.map (fun i -> Array.head expected[i].[part])
            Expect.equal (bits found[part]) (bits alone) $"%A{lengths}"

    for length in 1..70 do
        let elements = [| 0 .. length - 1 |]

        if rule.IsLayerwise then
            together (List.replicate length 1) elements
        else
            together [ length ] elements
            together [ length / 3; 0; length - length / 3 ] elements

/// What one step makes of such gradients, by the formula's arithmetic and by the rule's.
let private ofOddGradients (definition: UpdateRuleDefinition) dtype path =
    let settings = settingsOf definition []
    let rule = definition.Create.Invoke settings

    let gradients =
        [| for i in 0..36 ->
               match i % 9 with
               | 2 -> nan
               | 4 -> infinity
               | 7 -> -infinity
               | _ -> 0.5 |]

    use arena = new ParameterArena(segmentsOf [ 37 ], rule, dtype, torch.CPU, 0)

    fill arena.Parameters (Array.map startOf [| 0..36 |])
    fill arena.Gradients gradients
    let stretches = Stretches.Of(arena.Segments, rule.IsLayerwise)

    let operands = UpdateOperands(arena, stretches, 1L, rule.LearningRate, Path = path)

    rule.Apply &operands

    let kept =
        [ for name in rule.StateNames -> Array.create 37 (rule.InitialState name) ]

    let expected, states =
        byName[definition.Name].Formula settings 1 rule.LearningRate gradients (Array.map startOf [| 0..36 |], kept)

    let kind value =
        if Double.IsNaN value then "NaN"
        elif Double.IsInfinity value then $"{value}"
        else "finite"

    for right, found in List.zip (expected :: states) (contents arena) do
        Expect.equal (Array.map kind found) (Array.map kind right) $"{dtype} {path}"

let private paths =
    [ UpdatePath.Scalar; UpdatePath.Vector128; UpdatePath.Vector256; UpdatePath.Vector512; UpdatePath.Tensors ]

let private hardCases (definition: UpdateRuleDefinition) =
    [ test $"{definition.Name}: an element's bits are the same wherever it lies" { wherever definition }
      test $"{definition.Name}: a gradient's NaN and infinities pass as in the formula, to their own element alone" {
          for dtype in [ single; double ] do
              for path in paths do
                  ofOddGradients definition dtype path
      }
      test $"{definition.Name}: nothing is done to no elements" {
          let rule = definition.Create.Invoke(settingsOf definition [])

          for lengths in [ []; [ 0 ]; [ 0; 0 ] ] do
              for path in paths do
                  Expect.equal
                      (walk rule single path 2 lengths [||])
                      (List.replicate (1 + rule.StateNames.Count) [||])
                      $"{path}"
      } ]

/// Walks one element from 0 along a constant gradient.
let private constantly (rule: UpdateRule) (gradient: float) steps =
    use arena = arenaOf double rule (segmentsOf [ 1 ]) [ 0.0 ] [ gradient ]
    let step = OptimizerStep(arena, rule, null)

    for number in 1..steps do
        step.Apply(int64 number, rule.LearningRate) |> ignore

    arena.Parameters[0].item<float>()

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
      }
      test "Lion goes the learning rate a step, and rests where there is no gradient" {
          Expect.floatClose exactly (constantly (ruleOf "lion" [ "lr", 0.25 ]) -3e-9 8) 2.0 "8·0.25"
          Expect.equal (constantly (ruleOf "lion" [ "lr", 0.25 ]) 0.0 8) 0.0 "sign(0) = 0"
      }
      test "LAMB's first step is as long as the learning rate's share of the weights, whatever the gradient's size" {
          for size in [ 1e-3; 1e3 ] do
              let rule = ruleOf "lamb" [ "lr", 0.1; "epsilon", 0.0 ]

              use arena =
                  arenaOf double rule (segmentsOf [ 2; 2 ]) [ 3.0; 4.0; 0.0; 0.0 ] [ size; -size; size; size ]

              OptimizerStep(arena, rule, null).Apply(1L, 0.1) |> ignore
              // ‖P‖ = 5 and ‖U‖ = √2; weights of norm 0 go lr·u.
              let share = 0.1 * 5.0 / sqrt 2.0

              for found, right in List.zip (values arena.Parameters) [ 3.0 - share; 4.0 + share; -0.1; -0.1 ] do
                  Expect.floatClose exactly found right $"{size}"
      }
      test "a variance that rounding makes negative counts as none" {
          // 1000² is far beyond float32's digits beside ε: s − m² comes out below −ε sooner or later.
          let rule = ruleOf "rmsprop" [ "centered", 1.0; "rho", 0.5 ]
          use arena = arenaOf single rule (segmentsOf [ 1 ]) [ 0.0 ] [ 1000.1 ]
          let step = OptimizerStep(arena, rule, null)

          for number in 1..60 do
              step.Apply(int64 number, 1e-6) |> ignore

          Expect.isTrue (Double.IsFinite (values arena.Parameters).Head) "no NaN"
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

                  yield! hardCases definition
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
