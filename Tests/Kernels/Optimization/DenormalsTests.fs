/// Numbers below float32's least normal one are numbers like others to every update rule, by every way of walking the elements.
module CnnCluster.Tests.Kernels.Optimization.DenormalsTests

open System
open Expecto
open TorchSharp
open CnnCluster.Kernels.Arena
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests.Kernels.Optimization.Arenas
open CnnCluster.Tests.Kernels.Optimization.RuleFormulas

/// Two whole vectors of 512 bits, and a rest.
let private count = 37

let private steps = 3

/// The least float32 above 0: what a denormal is a multiple of.
let private unit = 2.0 ** -149.0

let private exact (value: float) = float (float32 value)

/// Parameters and gradients of opposite signs: updates add up, and what is left of a sum has no fewer digits than its terms.
let private start =
    [| for i in 0 .. count - 1 -> exact (-(0.2 + abs (cos (float i))) * 1e-38 / float (1 + i % 4)) |]

/// Denormal, or so small that its square is.
let private gradientOf step =
    [| for i in 0 .. count - 1 ->
           let size = if i % 2 = 0 then 5e-39 else 1e-18
           exact ((0.2 + abs (sin (float (i * 7 + step * 3)))) * size) |]

let private walk (rule: UpdateRule) path =
    use arena =
        new ParameterArena([| ArenaSegment("w", [| int64 count |]) |], rule, torch.ScalarType.Float32, torch.CPU, 0)

    fill arena.Parameters start
    let step = OptimizerStep(arena, rule, null, Path = path)

    for number in 1..steps do
        fill arena.Gradients (gradientOf number)
        step.Apply(int64 number, rule.LearningRate) |> ignore

    contents arena

/// In doubles, of which none of these is denormal.
let private walkFormula (rule: UpdateRule) formula settings =
    ((start, [ for name in rule.StateNames -> Array.create count (rule.InitialState name) ]), seq { 1..steps })
    ||> Seq.fold (fun parameter step -> withDecay formula settings step rule.LearningRate (gradientOf step) parameter)
    |> fun (parameters, states) -> parameters :: states

let private bits (values: float[]) =
    values |> Array.map BitConverter.DoubleToInt64Bits

let private agrees (definition: UpdateRuleDefinition) entry overrides =
    // Of a rate below 1 a product with a denormal would be one with fewer digits.
    let settings = settingsOf definition (("lr", 1.0) :: overrides)
    let rule = definition.Create.Invoke settings
    let scalar = List.map bits (walk rule UpdatePath.Scalar)
    let formula = walkFormula rule entry.Formula settings

    for path in Enum.GetValues<UpdatePath>() do
        let found = walk rule path

        if path <> UpdatePath.Tensors then
            Expect.equal (List.map bits found) scalar $"{path} %A{overrides}: the scalar path's bits"

        // A denormal's digits end at the unit, so that each operation may be half of one off.
        let apart =
            [ for right, found in List.zip formula found do
                  for right, found in Array.zip right found do
                      if not (abs (found - right) <= 1e-3 * abs right + 4.0 * unit) then
                          right, found ]

        Expect.isEmpty apart $"{path} %A{overrides}: the formula's numbers"

[<Tests>]
let tests =
    testList
        "Kernels.UpdateRules denormals"
        [ for definition in UpdateRules.All do
              test $"{definition.Name}: denormals are not flushed to zero" {
                  let entry = byName[definition.Name]

                  for overrides in [] :: entry.Variants do
                      agrees definition entry overrides
              }
          test "what is compared is denormal, and so are squares" {
              let least = 2.0 ** -126.0
              Expect.exists start (fun value -> abs value < least && value <> 0.0) "parameters"
              let gradients = gradientOf 1
              Expect.exists gradients (fun value -> abs value < least && value <> 0.0) "gradients"

              let hasDenormalShare value =
                  value * value * 0.001 < least && value * value * 0.001 > 64.0 * unit

              Expect.exists gradients hasDenormalShare "squares"
          } ]
